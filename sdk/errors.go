package sdk

import (
	"errors"
	"fmt"
	"strings"
)

// Kind says who must act on an error. It is the same on both sides of a process boundary.
type Kind string

// The kinds of errors, by who must act.
const (
	KindConfig    Kind = "config"           // the user: a parameter or a combination of them is wrong
	KindShape     Kind = "shape"            // the user: sizes of model, operator and filter do not fit together
	KindDiverged  Kind = "diverged"         // the user: the numbers left the range where the method works
	KindExternal  Kind = "external-program" // the user: a wrapped program failed
	KindResource  Kind = "resource"         // the user: memory or disk ran out
	KindTransient Kind = "transient"        // no one: the same call may succeed when repeated
	KindBug       Kind = "bug"              // the author of the plugin: it panicked
	KindContract  Kind = "contract"         // the author of the plugin: it broke a promise of package sdk
	KindCrash     Kind = "crash"            // the author of the plugin: its process ended
	KindDeadline  Kind = "deadline"         // the user: raise the timeout, or the author: the plugin hangs
	KindPlugin    Kind = "plugin"           // the user: a plugin is missing, incompatible or not the one that was recorded
	KindCanceled  Kind = "canceled"         // no one: the user stopped the run
)

// Error is an error of a plugin or of the host about a plugin. Its text is one
// line: where: what; hint.
type Error struct {
	Kind     Kind
	Where    string // the parameter, request field or member; may be empty
	What     string // what happened: got, wanted
	Hint     string // what to do about it; may be empty
	ExitCode *int   // of an external program or of the plugin itself
	Signal   string // that ended the plugin, such as "killed"
	Stderr   string // the last lines the program wrote to standard error
	Trace    string // stack trace of a bug
	Cause    error  // may be nil; does not cross a process boundary
}

// Errorf returns an Error of the given kind about where.
func Errorf(kind Kind, where, format string, args ...any) *Error {
	return &Error{Kind: kind, Where: where, What: fmt.Sprintf(format, args...)}
}

// WithHint returns e after setting its hint.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

// Error returns e as one line, without the trace and the lines of standard error.
func (e *Error) Error() string {
	var b strings.Builder
	if e.Where != "" {
		b.WriteString(e.Where + ": ")
	}
	b.WriteString(e.What)
	if e.Hint != "" {
		b.WriteString("; " + e.Hint)
	}
	return b.String()
}

// Unwrap returns the cause, or nil.
func (e *Error) Unwrap() error { return e.Cause }

// KindOf returns the kind of the first Error in err's tree, or KindBug if there is
// none: an error without a kind is a bug.
func KindOf(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return KindBug
}
