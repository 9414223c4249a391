package experiment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/sdk"
)

// noted records the failures of a trial.
type noted struct{ *archive.Failures }

// noting returns a context whose repeated calls are recorded in n.
func (n noted) noting(ctx context.Context) context.Context {
	return launch.OnRepeat(ctx, func(r launch.Repeat) {
		n.Add(archive.Failure{Cycle: r.Cycle, Call: r.Call, Member: r.First, Members: r.Members, Reason: r.Reason, Action: archive.Repeated})
	})
}

// end records the members that have been dropped in a cycle.
func (n noted) end(s *cycle.Step) error {
	n.Add(membersOf(s.Cycle, s.Dropped, archive.Dropped)...)
	n.Add(divergence(s)...)
	return n.Flush(s.Cycle)
}

// divergence returns the failures of members after which a trial was restarted: those that
// could not be forecast, or all of them if it was the analysis that could not be made.
func divergence(s *cycle.Step) []archive.Failure {
	var failed *cycle.FailedError
	if errors.As(s.Diverged, &failed) {
		return membersOf(s.Cycle, failed.Members, archive.Restarted)
	}
	if s.Diverged == nil {
		return nil
	}
	rows, _ := s.Forecast.Members.Dims()
	return []archive.Failure{{Cycle: s.Cycle, Call: "analyse", Members: rows, Reason: s.Diverged.Error(), Action: archive.Restarted}}
}

// membersOf returns the failures of members whose forecast failed in a cycle, with the
// action that was taken.
func membersOf(cycle int, members []sdk.MemberFailure, action string) []archive.Failure {
	var list []archive.Failure
	for _, m := range members {
		list = append(list, archive.Failure{Cycle: cycle, Call: "forecast", Member: m.Member, Members: 1, Reason: m.Reason, Action: action})
	}
	return list
}

// ending returns the failures of the members that ended a trial with err; none if err is
// nil or has another cause.
func ending(err error) []archive.Failure {
	var failed *cycle.FailedError
	if !errors.As(err, &failed) {
		return nil
	}
	return membersOf(failed.Cycle, failed.Members, archive.Ended)
}

// FailuresError is the error of the trials that did not finish; it shows the first few.
type FailuresError struct {
	Some                bool // others finished
	failed, interrupted int
	passing             int // failed trials whose cause may not occur again
	curable             int // failed trials whose cause the user may be able to fix
	first               []*trialError
	shown               int // trials that first counts
}

const shownFailures = 5

func (f *FailuresError) add(row archive.TrialRow, name string, err error) {
	switch row.Status {
	case archive.Interrupted, archive.Waiting:
		f.interrupted++
	case archive.Failed:
		f.failed++
		f.show(name, err)
		switch {
		case mayPass(err):
			f.passing++
		case mayBeCured(err):
			f.curable++
		}
	}
}

// show adds a failed trial to those that are shown. An error that several trials share, such
// as that of their truth, is shown once.
func (f *FailuresError) show(name string, err error) {
	at := slices.IndexFunc(f.first, func(e *trialError) bool { return errors.Is(err, e.err) })
	switch {
	case at >= 0:
		f.first[at].also++
	case len(f.first) < shownFailures:
		f.first = append(f.first, &trialError{name: name, err: err})
	default:
		return
	}
	f.shown++
}

// mayPass reports whether the cause of err may be gone when a trial is tried again. A
// trial that leaves the range of numbers does so each time.
func mayPass(err error) bool {
	var e *sdk.Error
	if !errors.As(err, &e) {
		return true // a file
	}
	return slices.Contains([]sdk.Kind{sdk.KindCrash, sdk.KindDeadline, sdk.KindResource, sdk.KindTransient, sdk.KindExternal, sdk.KindCanceled}, e.Kind)
}

// mayBeCured reports whether the cause of err may be outside of the run: members that a
// model could not compute, for example with a program whose licence has expired, or an
// error that a plugin did not expect. Members that left the range of numbers do so again.
func mayBeCured(err error) bool {
	var failed *cycle.FailedError
	if errors.As(err, &failed) {
		return slices.ContainsFunc(failed.Members, func(m sdk.MemberFailure) bool { return m.Kind != sdk.KindDiverged })
	}
	kind := sdk.KindOf(err)
	return kind == sdk.KindBug || kind == sdk.KindPlugin
}

func (f *FailuresError) Error() string {
	text := errors.Join(f.Unwrap()...).Error()
	switch more := f.failed - f.shown; {
	case more == 1:
		text += "\nand 1 more failed trial, see trials.arrow"
	case more > 1:
		text += fmt.Sprintf("\nand %d more failed trials, see trials.arrow", more)
	}
	return text
}

func (f *FailuresError) Unwrap() []error {
	errs := make([]error, len(f.first))
	for i, e := range f.first {
		errs[i] = e
	}
	return errs
}

// trialError says which trial an error stopped.
type trialError struct {
	name string
	also int // other trials that it stopped
	err  error
}

// Error returns the first of several errors: if one table cannot be written or closed,
// the others cannot either. trials.arrow has all of them.
func (e *trialError) Error() string {
	first, _, _ := strings.Cut(e.err.Error(), "\n")
	if e.also > 0 {
		return fmt.Sprintf("%s and %d more: %s", e.name, e.also, first)
	}
	return e.name + ": " + first
}

func (e *trialError) Unwrap() error { return e.err }
