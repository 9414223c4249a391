// Package plan turns a workflow and the plugins it names into a Plan: parts
// that are configured and known to fit together. Parts that do not fit are
// reported here, before the first time step.
package plan

import (
	"context"

	"github.com/plume-da/plume/host/internal/observations"
	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/rng"
)

// Plan holds trials that differ only in their filters, ready to run.
type Plan struct {
	Clock Clock
	Seed  rng.Seed // of the replicate; every stream of the run is below it
	State *sdk.Layout
	// Parameters is the number of estimated parameters, which are the last variables of
	// State but for those in Held.
	Parameters int
	Places     *sdk.Coordinates // of the values of the model, which are the first of State; nil: they have none
	// Held has the means and sums over several cycles that streams observe, which are the last
	// variables of State; nil: none.
	Held *sdk.Layout
	// Scored lists the variables of State that have scores of their own, in its order.
	Scored   []string
	Streams  []observations.Stream
	Space    *sdk.ObservationSpace // of all streams joined
	Truth    Truth
	Record   *observations.Record // the observations in files; nil: the truth is observed
	Checked  bool                 // whether observations beyond the limit of a stream are rejected
	Model    sdk.Model
	Noise    *Noise                  // of the model, as far as it is not part of it; nil: none
	Operator sdk.ObservationOperator // of all streams joined
	Ensemble Draw                    // where the members start
	Ahead    *Ahead                  // free forecasts; nil: none

	ModelCalls  Called
	StreamCalls []Called // in the order of Streams
	Trials      []Trial  // in the order of the workflow
	// MaxFailed is how many members a trial may lose. If it is 0, a member that cannot be
	// forecast ends the trial.
	MaxFailed int
	Restart   Restart // what happens when a trial diverges
	// Reference is the brute-force filter that the others are scored against; nil
	// if the workflow has none. Keep is the number of its members that are stored. Plans
	// with the same reference, of one scenario, hold the same pointer.
	Reference *Trial
	Keep      int

	watched *watched
	strange bool    // the members are those of a run, which followed another truth
	stores  int     // cycles from one whose ensembles are stored to the next; 0: all cycles, or none
	blocks  []block // streams with correlated errors
	bounded []bounded
	single  bool // states go to the model and come back in single precision
}

// LastObserved returns the last cycle with observations, as far as that is known.
func (p *Plan) LastObserved() int {
	if p.Record != nil {
		return p.Record.Last()
	}
	return p.Clock.Cycles
}

// Restart says from where members start again when members or filter have left the range in
// which they can be computed.
type Restart int

// The ways to restart.
const (
	Never           Restart = iota // the trial ends
	FromInit                       // from the distribution of the start
	FromClimatology                // from states of the truth in time
)

// Clock holds the times of the cycles.
type Clock struct {
	Start    float64 // model time of the initial ensemble
	Interval float64 // between cycles; 0 if Times holds their times
	Lead     float64 // model time by which the cycles come before Start + k Interval
	Times    []float64
	Cycles   int
	BurnIn   int // number of first cycles, which no time mean includes
}

// Time returns the model time of a cycle; cycle 0 is the start.
func (c Clock) Time(cycle int) float64 {
	if cycle == 0 {
		return c.Start
	}
	if c.Times == nil {
		return c.Start + (float64(cycle)*c.Interval - c.Lead)
	}
	return c.Times[cycle-1]
}

// Truth says how the true trajectory is made.
type Truth struct {
	Model  sdk.Model
	Noise  *Noise // as far as it is not part of the model; nil: none
	Init   Draw
	SpinUp float64 // model time integrated before the start
	// Operator simulates the observations of all streams, with the errors that they really have.
	Operator sdk.ObservationOperator
}

// Trial is one filter with its ensemble.
type Trial struct {
	Number int // from 1; for a reference: among those of the replicate, from 0
	Label  string
	Plugin string // its name
	Filter sdk.Filter
	Size   int
	Calls  Called
	Values map[string]any // of the axes that apply to it, by their keys
	// Window says how the filter uses observations of several cycles; nil: it does not.
	Window *Window
	// Every is the number of cycles from one analysis to the next; 0: 1.
	Every int
	// Smooth is how many cycles of later observations change states; 0: none.
	Smooth int
	// Resize returns the filter configured for another number of members and for an extent.
	Resize func(ctx context.Context, members int, of Extent) (sdk.Filter, error)
}

// Extent is how far a call of a filter reaches.
type Extent struct {
	Cycles int // that the observations are of, the oldest first
	Noise  int // forecasts whose shocks are part of the state, see [Window.Noise], the earliest first
	Past   int // earlier times whose states are moved along
}
