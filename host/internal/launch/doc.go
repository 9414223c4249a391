// Package launch finds, starts, describes, supervises and stops plugin
// processes on this machine.
//
//	Path         where plugins are looked for; Find and List
//	Program      what is run for a plugin, and the checksum of it
//	Pool         all processes of one host, shared by all who name the same program
//	Process      one running plugin, seen by others as an sdk.Plugin
//	RetryPolicy  how often a program runs, and what is done when it fails; Pool.Plugin
//	             hides it behind one sdk.Plugin
//
// Supervision means: every call has a deadline; a call whose plugin dies says
// how it died, in which cycle, and what it last wrote to standard error; a call
// that misses its deadline ends the process, even one that is stopped. A process
// that died is replaced where the workflow says so, and its members are computed
// again; see decision 19. Every
// process leads a process group of its own, which ends with it, and holds a
// standard input whose end tells it that the host is gone.
//
// The package needs process groups and unix sockets: Linux and macOS. Windows
// is not supported.
package launch
