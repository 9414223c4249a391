package experiment

import (
	"bufio"
	"encoding/gob"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/sdk"
)

// order is what a host says to a worker, and answer what the worker says. One field is set.
type (
	order struct {
		Setup  *setup
		Inputs []byte         // part of an archive of them, if the worker has asked for it
		Packed bool           // the archive is complete
		Piece  *archive.Piece // of what there is of the trial that follows, or of what it shares
		Work   int            // that the piece is of, among those of the trial
		Trial  int            // that the worker runs
		Stop   bool           // the trial stops after the current cycle
	}
	answer struct {
		Wants    bool // it has not all inputs
		Ready    *plugged
		Refused  *fault // instead: it cannot run trials
		Log      *launch.Record
		Cycles   []int // model runs of each cycle that the trial has run in addition
		More     int   // that it will run in addition
		Recalled int   // that it does not run again
		Piece    *archive.Piece
		Ended    *ended
	}
)

// setup is what a worker must know to run any trial of a run.
type setup struct {
	Plume      string
	Workflow   string // resolved
	File       string // of the workflow, whose folder programs are relative to
	Info       archive.Info
	Known      observations.Known
	InProcess  bool
	Checkpoint time.Duration
}

// plugged is what the plugins of a worker are: they must be those of the host.
type plugged struct {
	Plugins []archive.PluginInfo
}

// worksOf returns the work whose files a worker that runs j has: the trial, and then what it shares with
// others, which is the truth, unless observations are real, and the reference, if there is one.
func worksOf(j *job) []archive.Work {
	works := []archive.Work{archive.TrialWork(j.trial.Number)}
	if j.plan.Record == nil {
		works = append(works, archive.ScenarioWork(j.scenario.planned))
	}
	if j.plan.Reference != nil {
		works = append(works, archive.ReferenceWork(j.scenario.planned, j.plan))
	}
	return works
}

// ended says how a trial ended.
type ended struct {
	Outcome outcome
	Fault   *fault // nil: none
	Missing int    // cycles that were not run
	Long    bool   // it had a checkpoint
}

// fault is an error on its way to another process. What decides on what is done about it
// stays: its kind, and the members that failed.
type fault struct {
	Text    string
	Error   *sdk.Error // without its cause; nil: it has none
	Members *cycle.FailedError
}

func newFault(err error) *fault {
	if err == nil {
		return nil
	}
	f := &fault{Text: err.Error()}
	var e *sdk.Error
	if errors.As(err, &e) {
		c := *e
		c.Cause, f.Error = nil, &c
	}
	errors.As(err, &f.Members)
	return f
}

// err returns the error again; nil if f is nil.
func (f *fault) err() error {
	if f == nil {
		return nil
	}
	return &sentError{f}
}

// sentError is the error of another process.
type sentError struct{ *fault }

func (e *sentError) Error() string { return e.Text }

func (e *sentError) Unwrap() error {
	switch {
	case e.Members != nil:
		return e.Members
	case e.fault.Error != nil:
		return e.fault.Error
	}
	return nil
}

// link sends and receives the messages of one end. Several goroutines may send.
type link struct {
	*gob.Decoder

	mu  sync.Mutex
	out *bufio.Writer
	to  *gob.Encoder
}

func newLink(conn io.ReadWriter) *link {
	out := bufio.NewWriterSize(conn, 1<<16)
	return &link{Decoder: gob.NewDecoder(bufio.NewReaderSize(conn, 1<<16)), out: out, to: gob.NewEncoder(out)}
}

// send sends a message.
func (l *link) send(message any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.to.Encode(message), l.out.Flush())
}
