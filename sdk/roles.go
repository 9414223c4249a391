package sdk

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/plume-da/plume/sdk/rng"
	"gonum.org/v1/gonum/mat"
)

// Plugin is a plugin before configuration: its manifest and the constructor of
// its role. Exactly one constructor is set. A constructor may be called several
// times; its results are immutable.
type Plugin struct {
	Manifest    *Manifest
	NewModel    func(context.Context, ModelConfig) (Model, error)
	NewOperator func(context.Context, OperatorConfig) (ObservationOperator, error)
	NewFilter   func(context.Context, FilterConfig) (Filter, error)
}

// Call holds the fields of every request. The numbers of its members are 0, 1, 2 and so on unless
// [Call.From] or [Call.Of] have said others.
type Call struct {
	Cycle int      // number of the assimilation cycle, from 1; 0 before the first
	Seed  rng.Seed // of this call; the member with number i uses Seed.Member(i)

	// Not exported: number i is first + i only as long as no member is dropped.
	first   int
	numbers []int // of all members, in the order of rows, where they do not follow each other; nil: they do
}

// Member returns the number of the member in row i: its row in the ensemble at the start, which
// it keeps when others are dropped or are in other calls. Files of a member are found by it, and
// its random stream is Seed.Member of it.
func (c Call) Member(i int) int {
	if c.numbers == nil {
		return c.first + i
	}
	return c.numbers[i]
}

// Numbers returns the numbers of all members, in the order of rows, where they do not follow each
// other because members between them have been dropped; nil: they do, from Member(0) on. They must
// not be modified.
func (c Call) Numbers() []int { return c.numbers }

// From returns c for members whose numbers follow each other, from first on.
func (c Call) From(first int) Call {
	c.first, c.numbers = first, nil
	return c
}

// Of returns c for members with these numbers, at least one; nil: 0, 1, 2 and so on.
func (c Call) Of(numbers []int) Call {
	c.first, c.numbers = 0, nil
	for i, n := range numbers {
		if i == 0 {
			c.first = n
		} else if n != c.first+i {
			c.numbers = numbers
		}
	}
	return c
}

// Rows returns c for its rows [from, to) alone, at least one.
func (c Call) Rows(from, to int) Call {
	if c.numbers != nil {
		return c.Of(c.numbers[from:to])
	}
	return c.From(c.first + from)
}

// ModelConfig configures a model.
type ModelConfig struct {
	Params Params
	Step   float64 // time step to integrate with; 0 for a model without one
	Dir    string  // absolute path of the directory at which relative paths in Params start, that of the workflow; empty: the working directory

	// PerMember names the parameters for which every forecast has a value for each member;
	// see ForecastRequest.Parameters. The manifest allows it for each of them.
	PerMember []string

	// Dates says which dates model times are; nil: none.
	Dates *Dates

	// Single says that states have single precision on their way to the model and back: each value
	// is the nearest float32. Whoever calls the model rounds, so a plugin is not told; a member with
	// a value beyond the range of float32 is one that could not be computed.
	Single bool
}

// Dates says which dates model times are.
type Dates struct {
	Start    time.Time // of model time 0
	Seconds  float64   // in one unit of model time
	Calendar string    // in the CF conventions: proleptic_gregorian, noleap or 360_day
}

// Model moves ensembles forward in time.
type Model interface {
	// Layout describes one state.
	Layout() *Layout

	// Forecast integrates every member of r.Ensemble from r.From to r.To and
	// writes the results into r.Into. Members do not influence each other.
	Forecast(ctx context.Context, r *ForecastRequest) (*ForecastResult, error)
}

// ForecastRequest asks for the states at To, given those at From.
type ForecastRequest struct {
	Call
	From, To float64    // in model time units
	Ensemble *mat.Dense // N x n; diagnostics are 0
	Into     *mat.Dense // N x n, the answer; Ensemble itself if the manifest says in_place

	// Parameters holds in row i the values of the parameters ModelConfig.PerMember for
	// member i, N x p, within their limits; nil if there are none. They replace the values
	// in ModelConfig.Params.
	Parameters *mat.Dense

	// Carry holds in item i what the model has returned of member i in the
	// [ForecastResult.Carry] of the forecast that led to its state, N items; empty for a member
	// that has no such forecast, nil if there is none at all. A model whose manifest says carries
	// depends on it like on a state, and on nothing that a process remembers. It does not modify it.
	Carry [][]byte
}

// ForecastResult is the result of a forecast, in addition to the ensemble.
type ForecastResult struct {
	Failures []MemberFailure // these rows of Into are undefined
	Metrics  map[string]float64

	// Carry holds in item i what the model keeps of member i besides its state, such as a
	// restart file, N items; nil: nothing. Whoever calls the model keeps it with the member: it
	// follows the member's descendants where a filter resamples, stays with member i where a
	// filter moves members, and is stored in checkpoints.
	Carry [][]byte
}

// MemberFailure is one member that could not be computed.
type MemberFailure struct {
	Member    int // row in the request
	Reason    string
	Retryable bool // the same call may succeed when repeated
	Kind      Kind // of the error; KindDiverged if the member left the range of numbers; empty: not known
}

// OperatorConfig configures an observation operator for states of one layout.
type OperatorConfig struct {
	Params Params
	State  *Layout
	Error  ErrorModel
}

// ErrorModel is the distribution of the observation error in a workflow.
type ErrorModel struct {
	Dist string    // normal, laplace, student_t, uniform, lognormal: the operator's manifest lists those it supports
	SD   []float64 // standard deviation: one value, or one per observed component; for lognormal that of the logarithm
	DF   float64   // degrees of freedom of student_t
}

// ObservationSpace describes what an operator observes.
type ObservationSpace struct {
	Layout *Layout // of one observation vector, m values

	// Offers lists what the operator can compute for this configuration:
	// predicted, simulated, log_likelihood, gradient, error_variance.
	Offers []Capability

	// Cutoffs holds, for a filter that localizes, the distance at which the weight of each
	// component is 0, m values; 0 where it is the filter's own cutoff. It is nil where it is
	// that everywhere, and always for filters whose manifest does not say cutoffs. An
	// operator leaves it nil: it comes from the workflow.
	Cutoffs []float64
}

// Capability is something a filter may need and an operator or model may offer.
type Capability string

// The capabilities.
const (
	Predicted     Capability = "predicted"      // h(x) of every member
	Simulated     Capability = "simulated"      // observations drawn from the error model around h(x)
	LogLikelihood Capability = "log_likelihood" // log p(y | x), by component
	Gradient      Capability = "gradient"       // of log p(y | x) with respect to x
	ErrorVariance Capability = "error_variance" // variance of y - h(x), the same for every x
	HasPositions  Capability = "coordinates"    // state and observations have coordinates
)

// ObservationOperator maps states to observations.
type ObservationOperator interface {
	// Space describes the observations.
	Space() *ObservationSpace

	// Observe fills the matrices r.Predicted, r.Simulated, r.LogLikelihood and r.Gradient
	// that are not nil.
	Observe(ctx context.Context, r *ObserveRequest) (*ObserveResult, error)
}

// ObserveRequest asks for the observations of each member.
type ObserveRequest struct {
	Call
	Time        float64
	Ensemble    *mat.Dense // N x n
	Observation []float64  // y, m values, NaN where missing; needed for LogLikelihood and Gradient

	Predicted     *mat.Dense // N x m, h(x_i)
	Simulated     *mat.Dense // N x m, a draw from p(y | x_i)
	LogLikelihood *mat.Dense // N x m, log p(y_j | x_i); 0 if y is missing, -Inf if it is impossible; the sum of a row is log p(y | x_i)
	Gradient      *mat.Dense // N x n, gradient of log p(y | x_i) with respect to x_i
}

// ObserveResult is the result of an observation, in addition to the matrices.
type ObserveResult struct {
	ErrorVariance []float64 // m values; nil if the operator does not offer it
	Metrics       map[string]float64
}

// FilterConfig configures a filter.
type FilterConfig struct {
	Params       Params
	State        *Layout
	Observations *ObservationSpace
	Members      int

	// Past is the number of earlier times whose states move along with those of the analysis,
	// for a filter whose manifest says that it smooths. The matrices Ensemble and Into of a
	// Problem then have (1 + Past) n columns: the states that the observations belong to, and
	// those of the earlier times of the same members, the latest first. State describes one time.
	Past int
}

// Filter turns a forecast ensemble and an observation into an analysis ensemble.
type Filter interface {
	// Needs lists what must be filled in a Problem for this configuration.
	Needs() []Capability

	// Analyse writes the analysis ensemble into p.Into.
	Analyse(ctx context.Context, p *Problem) (*Analysis, error)
}

// Problem is everything that a filter knows in one call. Most filters are called once a
// cycle. One whose manifest says that it takes fractions may be called several times, with
// a part of the likelihood each time (tempering, or multiple data assimilation), and with
// observations of several cycles, the oldest first.
type Problem struct {
	Call
	Time          float64
	Ensemble      *mat.Dense // N x n, the forecast; more columns if the filter smooths, see [FilterConfig]
	LogWeights    []float64  // N values, normalised; nil if all are equal
	Observation   []float64  // y, m values, NaN where missing
	ErrorVariance []float64  // m values; nil unless needed
	Predicted     *mat.Dense // N x m; nil unless needed, as are the next three
	Simulated     *mat.Dense // N x m
	LogLikelihood *mat.Dense // N x m
	Gradient      *mat.Dense // N x n
	Carry         []byte     // the Carry of the last Analysis; empty in the first cycle
	Into          *mat.Dense // N x n, the answer; Ensemble itself if the manifest says in_place

	// Fraction holds the power of each component's likelihood that this call assimilates, m
	// values in (0, 1]; nil: all are 1. ErrorVariance is that of the error divided by it,
	// LogLikelihood and Gradient are multiplied by it, and the errors in Simulated have the
	// larger variance, so a filter uses them as they are.
	Fraction []float64
	// Seen is the number of components, the first ones, that an earlier call has used; see
	// [Problem.Fresh].
	Seen int
}

// Now returns p without the states of earlier times, of which [FilterConfig].Past says how many
// there are: Ensemble and Into have the first columns alone. It shares memory with p.
func (p *Problem) Now(past int) *Problem {
	now, _ := p.Parts(past)
	return now
}

// Parts returns what [Problem.Now] does, and p with the states of earlier times alone, nil without any.
func (p *Problem) Parts(past int) (now, before *Problem) {
	if past == 0 {
		return p, nil
	}
	rows, columns := p.Ensemble.Dims()
	n := columns / (1 + past)
	part := func(from, to int) *Problem {
		of := *p
		of.Ensemble = p.Ensemble.Slice(0, rows, from, to).(*mat.Dense)
		if p.Into != nil {
			of.Into = p.Into.Slice(0, rows, from, to).(*mat.Dense)
		}
		return &of
	}
	return part(0, n), part(n, columns)
}

// Fresh returns what a filter inflates by and learns from: p with the components that no
// earlier call has used, the others missing, and the variances of their errors in full.
// It returns nil if none are left, and p itself if all are and count in full. Inflation and
// records of innovations belong to the call in which an observation is fresh: a filter
// that inflates in every call of a cycle does it too often. It shares memory with p.
func (p *Problem) Fresh() *Problem {
	if p.Seen == 0 && p.Fraction == nil {
		return p
	}
	fresh := *p
	fresh.Fraction, fresh.Seen = nil, 0
	fresh.Observation = slices.Clone(p.Observation)
	for j := range p.Seen {
		fresh.Observation[j] = math.NaN()
	}
	if !slices.ContainsFunc(fresh.Observation, func(y float64) bool { return !math.IsNaN(y) }) {
		return nil
	}
	if p.Fraction != nil && p.ErrorVariance != nil {
		fresh.ErrorVariance = slices.Clone(p.ErrorVariance)
		for j, f := range p.Fraction {
			fresh.ErrorVariance[j] *= f
		}
	}
	return &fresh
}

// Analysis is the result of a filter, in addition to the ensemble.
type Analysis struct {
	LogWeights []float64          // N values, normalised; nil if all are equal
	Ancestors  []int              // forecast row that each analysis row descends from; nil if the filter moves members without resampling
	Carry      []byte             // passed to the filter in the next cycle, also to a configuration for other numbers of members, times or values, as in a window
	Metrics    map[string]float64 // diagnostics, such as the bandwidth or the number of steps
}
