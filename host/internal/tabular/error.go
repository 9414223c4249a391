package tabular

import (
	"errors"
	"io/fs"

	"github.com/plume-da/plume/sdk/wire/rows"
)

// Error describes a fault of a file, for people.
type Error struct {
	Place
	What  string // one line
	Label string // at the place: what is expected
	Hint  string // what to do, if this package knows

	err error
}

// Place is a place in a text file. Line 0 means the whole file, or a file that is not
// text.
type Place struct {
	Line   int    // from 1
	Text   string // of the line
	Before int    // number of characters in front of the place
	Width  int    // number of characters of the place
}

func (e *Error) Error() string { return e.What }

// Unwrap returns the cause, if there is one.
func (e *Error) Unwrap() error { return e.err }

// With sets the label and the hint of e and returns e.
func (e *Error) With(label, hint string) *Error {
	e.Label, e.Hint = label, hint
	return e
}

// wrong returns err as an *Error.
func wrong(err error) error {
	var known *Error
	var path *fs.PathError
	var unsupported *rows.UnsupportedError
	switch {
	case errors.As(err, &known):
		return known
	case errors.As(err, &path): // the caller knows the path
		return &Error{What: path.Err.Error(), err: err}
	case errors.As(err, &unsupported):
		return &Error{What: err.Error(), Hint: unsupported.Hint, err: err}
	}
	return &Error{What: err.Error(), err: err}
}
