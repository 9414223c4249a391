// Package remote runs plugins on other machines, through the engines of clusters.
//
//	Executor   starts plugins through a command that stays attached to what it starts (srun,
//	           ssh), or through a job that calls back (sbatch, qsub); package launch uses it
//	recipe     the commands of an engine: a data file below engines, one of a site, or a
//	           table of the site file
//	Serve      the other end, plume node-exec: it holds one plugin on its node
//
// Both ends exchange lines of JSON, see message. The host says what to run; the node says
// where it is, what the plugin writes, that it is alive, and how the plugin ended. So the
// connection is the status, and no queue is asked. The calls of the plugin use a connection
// of their own: the plugin listens on a Unix socket as it does on the machine of the host,
// and node-exec puts mutual TLS on TCP before it.
//
// A plugin has two leases on its life. It is killed when the lines from the host end, and
// when the host has had no connection to it for some time, because an engine whose launcher
// was killed may leave the lines open.
package remote
