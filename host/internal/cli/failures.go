package cli

import (
	"context"
	"errors"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/launch"
	"github.com/plume-da/plume/sdk"
)

// noting returns a context whose repeated calls are noted in failures.
func noting(ctx context.Context, failures *archive.Failures) context.Context {
	return launch.OnRepeat(ctx, func(r launch.Repeat) {
		failures.Add(archive.Failure{Cycle: r.Cycle, Call: r.Call, Member: r.First, Members: r.Members, Reason: r.Reason, Action: archive.Repeated})
	})
}

// membersOf returns members whose forecast failed in a cycle, and what was done about
// it.
func membersOf(cycle int, members []sdk.MemberFailure, action string) []archive.Failure {
	var list []archive.Failure
	for _, m := range members {
		list = append(list, archive.Failure{Cycle: cycle, Call: "forecast", Member: m.Member, Members: 1, Reason: m.Reason, Action: action})
	}
	return list
}

// ending returns the members that ended a trial, which err is the end of; nil or
// another end has none.
func ending(err error) []archive.Failure {
	var failed *cycle.FailedError
	if !errors.As(err, &failed) {
		return nil
	}
	return membersOf(failed.Cycle, failed.Members, archive.Ended)
}
