package archive

import (
	"math"

	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/wire/table"
)

// HeldOutRow is a held-out value with its prediction and scores in one stage.
type HeldOutRow struct {
	Stage     string
	Component int
	score.Prediction
}

// AppendHeldOut writes the rows of the held-out values of a cycle.
func (t *Trial) AppendHeldOut(s *cycle.Step, list []HeldOutRow) error {
	if len(list) == 0 {
		return nil
	}
	n := len(list)
	index, stage, variable := make([]int32, n), make([]string, n), make([]string, n)
	value, mean, spread := make([]float64, n), make([]float64, n), make([]float64, n)
	for i, r := range list {
		variable[i], index[i] = componentOf(t.observed, r.Component)
		stage[i], value[i], mean[i], spread[i] = r.Stage, r.Value, r.Mean, r.Spread
	}
	return t.heldOut.Append(n, append(t.id.columnsAt(n, s.Cycle, s.Time), stage, variable, index, value, mean, spread,
		nullable(list, func(r *HeldOutRow) (float64, bool) { return known(r.CRPSFair) }))...)
}

// componentOf returns the variable of a component of a layout and its index in the variable.
func componentOf(l *sdk.Layout, component int) (variable string, index int32) {
	for _, v := range l.Variables {
		if component < v.Size() {
			return v.Name, int32(component)
		}
		component -= v.Size()
	}
	return "", 0
}

// rejections writes the values of files that were not used.
func (r *Run) rejections(p *plan.Scenario, record *observations.Record) error {
	plan := p.Plans[0]
	path, err := r.Path("rejections", scenarioPart(p))
	if err != nil {
		return err
	}
	w, err := table.Create(path, rejectionsColumns, nil)
	if err != nil {
		return err
	}
	if err := appendRejections(w, 0, int32(p.Replicate), plan.Streams, plan.Space.Layout, record.Rejected); err != nil {
		return err
	}
	return w.Close()
}

// AppendRejections writes the observations of a cycle that the background check
// rejected.
func (t *Trial) AppendRejections(s *cycle.Step, streams []observations.Stream) error {
	if len(s.Rejected) == 0 {
		return nil
	}
	return appendRejections(t.rejections, int32(t.id.Trial), int32(t.id.Replicate), streams, t.observed, s.Rejected)
}

func appendRejections(w *table.Writer, trial, replicate int32, streams []observations.Stream, observed *sdk.Layout, list []observations.Value) error {
	n := len(list)
	if n == 0 {
		return nil
	}
	integers := func(get func(v *observations.Value) (int32, bool)) table.Nullable[int32] {
		c := table.Nullable[int32]{Values: make([]int32, n), Valid: make([]bool, n)}
		for i := range list {
			if v, ok := get(&list[i]); ok {
				c.Values[i], c.Valid[i] = v, true
			}
		}
		return c
	}
	replicates, stream, times, reason := make([]int32, n), make([]string, n), make([]float64, n), make([]string, n)
	variable := table.Nullable[string]{Values: make([]string, n), Valid: make([]bool, n)}
	value := table.Nullable[float64]{Values: make([]float64, n), Valid: make([]bool, n)}
	for i, v := range list {
		replicates[i], stream[i], times[i], reason[i] = replicate, streams[v.Stream].Label, v.Time, v.Status.String()
		if variable.Valid[i] = v.Component >= 0; v.Component >= 0 {
			variable.Values[i], _ = componentOf(observed, int(v.Component))
		}
		if value.Valid[i] = !math.IsNaN(v.Y); value.Valid[i] {
			value.Values[i] = v.Y
		}
	}
	return w.Append(n,
		integers(func(*observations.Value) (int32, bool) { return trial, trial > 0 }), replicates, stream,
		integers(func(v *observations.Value) (int32, bool) { return v.Row, v.Row > 0 }),
		integers(func(v *observations.Value) (int32, bool) { return v.Cycle, v.Cycle > 0 }), times, variable,
		integers(func(v *observations.Value) (int32, bool) {
			_, index := componentOf(observed, int(v.Component))
			return index, v.Component >= 0
		}), value, reason)
}
