package cli

import (
	"errors"
	"io/fs"
	"slices"
	"syscall"

	"github.com/plume-da/plume/host/internal/diag"
	"github.com/plume-da/plume/host/internal/experiment"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk"
)

// The exit codes of every command.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitWorkflow    = 3 // the workflow is invalid
	exitPlugin      = 4 // a plugin is missing, incompatible or not the recorded one, or it or a worker does not start
	exitSomeFailed  = 5 // the run finished, but some trials failed
	exitDiffers     = 6 // verify found differences
	exitHungUp      = 129
	exitInterrupted = 130
	exitBrokenPipe  = 141
	exitTerminated  = 143
)

// exitError carries an exit code past cobra; its text may be empty if everything has
// been printed.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exitCode returns the exit code for an error. It is the only place that does.
func exitCode(err error) int {
	var exit *exitError
	var interrupt interruptError
	var found *findings
	var failed *experiment.FailuresError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &exit):
		return exit.code
	case errors.As(err, &interrupt):
		return interrupt.code()
	case errors.As(err, new(*experiment.NoWorkerError)): // as a plugin that its executor does not start
		return exitPlugin
	case errors.As(err, &found) && !slices.ContainsFunc(found.diagnostics, isOther):
		return exitPlugin
	case errors.As(err, &found) || errors.As(err, new(*experiment.ChangedError)) || errors.As(err, new(*experiment.InputsError)):
		return exitWorkflow
	case errors.As(err, &failed) && failed.Some:
		return exitSomeFailed
	case unread(err):
		return exitBrokenPipe
	}
	switch sdk.KindOf(err) {
	case sdk.KindPlugin:
		return exitPlugin
	case sdk.KindConfig, sdk.KindShape:
		return exitWorkflow
	}
	return exitFailed
}

// isOther reports whether a finding is about the workflow and not about a plugin.
func isOther(f *diag.Finding) bool { return !plan.IsPluginFault(f) }

// unread reports whether err says that a pipe no longer has a reader.
func unread(err error) bool {
	var file *fs.PathError
	return errors.As(err, &file) && errors.Is(file.Err, syscall.EPIPE)
}
