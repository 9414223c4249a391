// Package launch finds, starts, describes, supervises and stops plugins.
//
//	Path         where plugins are looked for; Find and List
//	Program      what is run for a plugin, and its checksum
//	Pool         all plugins of one host, shared by all who name the same program
//	Process      one running plugin, seen by others as an sdk.Plugin
//	RetryPolicy  in how many processes a program runs, and what is done when it fails;
//	             Pool.Plugin hides it behind one sdk.Plugin
//	Executor     where and how a program is started; that of this machine is the only one
//
// Supervision means: every call has a deadline; a call whose plugin dies says
// how it died, in which cycle, and what it last wrote to standard error; a call
// that misses its deadline ends the process, even one that is stopped. A process
// that died is replaced if the workflow says so, and its members are computed
// again; see decision 19. Only an executor knows what a process is; see decision 36.
// On this machine it leads a process group of its own, which ends with it, and holds a
// standard input whose end tells it that the host is gone.
//
// The package needs process groups and unix sockets: Linux and macOS. Windows
// is not supported.
package launch
