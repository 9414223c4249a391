package experiment

import (
	"fmt"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// past is the innovations and held-out values of a trial up to a checkpoint. Their scores
// depend on the standard deviations in time of all observations, and change when observations
// are added.
type past struct {
	innovations []pastInnovation
	heldOut     []pastHeldOut
}

type pastInnovation struct {
	cycle  int
	values []float64
	nis    float64
}

type pastHeldOut struct {
	cycle int
	row   archive.HeldOutRow
}

// readPast returns what has to be scored again of a trial up to c; nil if no observations have
// been added since c was made, or [engine.recount] will do it.
func (e *engine) readPast(j *job, c *checkpoint) (*past, error) {
	if c.Arrivals == len(e.run.Info().Arrivals) || c.Tally.Left {
		return nil, nil
	}
	return e.pastOf(j, c.State.Cycle)
}

// pastOf returns the innovations and held-out values of a trial up to a cycle.
func (e *engine) pastOf(j *job, through int) (*past, error) {
	p, reader, layout := &past{}, e.run.Written(j.trial.Number), j.plan.Space.Layout
	for b, err := range reader.Innovations() {
		if err != nil {
			return nil, err
		}
		for i, k := range b.Cycle {
			if int(k) > through {
				break
			}
			in := pastInnovation{cycle: int(k), nis: b.NIS[i]}
			for _, f := range b.Fields {
				in.values = append(in.values, f.Row(i)...)
			}
			if got, want := len(in.values), layout.Size(); got != want {
				return nil, fmt.Errorf("%s: innovations: trial %d: got %d values in a row, want %d", reader.Dir, j.trial.Number, got, want)
			}
			p.innovations = append(p.innovations, in)
		}
	}
	for b, err := range reader.HeldOut() {
		if err != nil {
			return nil, err
		}
		for i, k := range b.Cycle {
			if int(k) > through {
				break
			}
			offset, ok := layout.Offset(b.Variable[i])
			if !ok {
				return nil, fmt.Errorf("%s: held_out: trial %d: got the variable %q, which is not observed", reader.Dir, j.trial.Number, b.Variable[i])
			}
			row := archive.HeldOutRow{Stage: b.Stage[i], Component: offset + int(b.Index[i]), Prediction: score.Prediction{Value: b.Value[i], Mean: b.Mean[i], Spread: b.Spread[i]}}
			if b.CRPSFair.Valid[i] {
				row.CRPSFair = &b.CRPSFair.Values[i]
			}
			p.heldOut = append(p.heldOut, pastHeldOut{int(k), row})
		}
	}
	return p, nil
}

// scoreAgain replaces the scores of innovations and held-out values in the tally of s by those
// of p.
func (s *scorer) scoreAgain(p *past) {
	s.Track = score.Track{}
	for _, sc := range s.scores {
		if sc.Table == "innovations" || sc.Table == "held_out" {
			for _, stage := range stages {
				delete(s.Series[stage], sc.Name)
			}
		}
	}
	for _, in := range p.innovations {
		s.rememberInnovation(in.cycle, in.values, in.nis)
	}
	for _, h := range p.heldOut {
		s.rememberHeldOut(h.cycle, h.row)
	}
}
