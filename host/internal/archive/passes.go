package archive

import (
	"iter"
	"slices"

	"github.com/plume-da/plume/host/internal/cycle"
	"github.com/plume-da/plume/sdk/wire/table"
)

// PassRow is what a run of the model over the whole record has shown.
type PassRow struct {
	Number      int // of calls of the filter before it
	Assimilated float64
	Values      int // of observations
	// Misfit is the mean over the members of their mean square residual, Least and Largest are
	// its bounds; Known says whether the operator predicts, so that they are known.
	Known                  bool
	Misfit, Least, Largest float64
	Start                  Description // of the members at the start, without a stage
}

// FitRow is an observed value of a cycle and what the members of a stage predict of it.
type FitRow struct {
	Stage        string
	Component    int
	Value, Error float64 // Error is its standard deviation
	Mean, Spread float64
	Quantiles    []float64
}

var (
	passColumn = table.Column{Name: "pass", Type: table.Int32, About: "number of calls of the filter before the run of the model: 0 is the prior, the last one the posterior"}

	passesColumns = []table.Column{trialColumn, replicateColumn, filterColumn, passColumn,
		{Name: "assimilated", Type: table.Float64, About: "fraction of the likelihood that these calls have assimilated"},
		{Name: "values", Type: table.Int32, About: "number of observed values"},
		{Name: "misfit", Type: table.Float64, Nullable: true, About: "mean square of observation minus prediction, in units of the error variance, mean of the members; near 1 if model and errors are right. Null if the operator gives no error variance"},
		{Name: "misfit_least", Type: table.Float64, Nullable: true, About: "that of the member for which it is smallest"},
		{Name: "misfit_largest", Type: table.Float64, Nullable: true, About: "that of the member for which it is largest"},
	}

	startColumns = slices.Concat([]table.Column{trialColumn, replicateColumn, filterColumn, passColumn}, variablesColumns[6:])

	fitColumns = slices.Concat([]table.Column{trialColumn, replicateColumn, filterColumn, cycleColumn, timeColumn,
		{Name: "stage", Type: table.Text, About: "`forecast`, by the run from the prior, or `analysis`, by the run from the posterior"},
		{Name: "variable", Type: table.Text, About: "observed variable"},
		{Name: "index", Type: table.Int32, About: "index of the value in the variable, row-major from 0; 0 for a scalar"},
		{Name: "value", Type: table.Float64, About: "observed value"},
		{Name: "error", Type: table.Float64, About: "standard deviation of its error; NaN if the operator gives none"},
		{Name: "mean", Type: table.Float64, About: "predicted value, mean of the members"},
		{Name: "spread", Type: table.Float64, About: "standard deviation of the members' predictions"},
	}, quantileColumns())
)

// Passes writes the passes of a trial over the whole record, and the members at the start.
func (t *Trial) Passes(rows []PassRow) error {
	if len(rows) == 0 {
		return nil
	}
	n := len(rows)
	pass, values := make([]int32, n), make([]int32, n)
	assimilated := make([]float64, n)
	for i, r := range rows {
		pass[i], values[i], assimilated[i] = int32(r.Number), int32(r.Values), r.Assimilated
	}
	err := t.run.write(passesColumns, n, append(t.id.columns(n), pass, assimilated, values,
		nullable(rows, func(r *PassRow) (float64, bool) { return r.Misfit, r.Known }),
		nullable(rows, func(r *PassRow) (float64, bool) { return r.Least, r.Known }),
		nullable(rows, func(r *PassRow) (float64, bool) { return r.Largest, r.Known })), "passes", part(t.id.Trial))
	if err != nil {
		return err
	}
	return t.starts(rows)
}

func (t *Trial) starts(rows []PassRow) error {
	of := t.descriptions.values
	n := len(rows) * len(of)
	pass, index, variable := make([]int32, n), make([]int32, n), make([]string, n)
	truth := table.Nullable[float64]{Values: make([]float64, n), Valid: make([]bool, n)}
	var mean, spread []float64
	quantiles := make([][]float64, len(Quantiles))
	for i, r := range rows {
		mean, spread = append(mean, r.Start.Mean...), append(spread, r.Start.Spread...)
		for k, v := range of {
			at := i*len(of) + k
			pass[at], index[at], variable[at] = int32(r.Number), int32(v.Index), v.Variable
			if truth.Valid[at] = r.Start.Truth != nil; r.Start.Truth != nil {
				truth.Values[at] = r.Start.Truth[k]
			}
			for l := range Quantiles {
				quantiles[l] = append(quantiles[l], r.Start.Quantiles[k*len(Quantiles)+l])
			}
		}
	}
	columns := append(t.id.columns(n), pass, variable, index, truth, mean, spread)
	for _, q := range quantiles {
		columns = append(columns, q)
	}
	return t.run.write(startColumns, n, columns, "start", part(t.id.Trial))
}

// AppendFit writes what is predicted of the observed values of a cycle.
func (t *Trial) AppendFit(s *cycle.Step, rows []FitRow) error {
	n := len(rows)
	if n == 0 {
		return nil
	}
	index, stage, variable := make([]int32, n), make([]string, n), make([]string, n)
	numbers := make([][]float64, 4+len(Quantiles))
	for i, r := range rows {
		stage[i] = r.Stage
		variable[i], index[i] = componentOf(t.observed, r.Component)
		for c, v := range append([]float64{r.Value, r.Error, r.Mean, r.Spread}, r.Quantiles...) {
			numbers[c] = append(numbers[c], v)
		}
	}
	columns := append(t.id.columnsAt(n, s.Cycle, s.Time), stage, variable, index)
	for _, c := range numbers {
		columns = append(columns, c)
	}
	return t.fit.Append(n, columns...)
}

// Passes holds what runs over the whole record have shown.
type Passes struct {
	Trial       []int32                 `column:"trial"`
	Replicate   []int32                 `column:"replicate"`
	Filter      []string                `column:"filter"`
	Pass        []int32                 `column:"pass"`
	Assimilated []float64               `column:"assimilated"`
	Values      []int32                 `column:"values"`
	Misfit      table.Nullable[float64] `column:"misfit"`
	Least       table.Nullable[float64] `column:"misfit_least"`
	Largest     table.Nullable[float64] `column:"misfit_largest"`
}

// Passes yields what the runs of trials over the whole record have shown.
func (r *Reader) Passes() iter.Seq2[*Passes, error] { return scan[Passes](r, "passes") }

// Starts holds the distributions of members at the start of the record.
type Starts struct {
	Trial     []int32   `column:"trial"`
	Replicate []int32   `column:"replicate"`
	Filter    []string  `column:"filter"`
	Pass      []int32   `column:"pass"`
	Variable  []string  `column:"variable"`
	Index     []int32   `column:"index"`
	Truth     []float64 `column:"truth"` // NaN: not known
	Mean      []float64 `column:"mean"`
	Spread    []float64 `column:"spread"`
	Q05       []float64 `column:"q05"`
	Q25       []float64 `column:"q25"`
	Q50       []float64 `column:"q50"`
	Q75       []float64 `column:"q75"`
	Q95       []float64 `column:"q95"`
}

// Starts yields the distributions of the members at the start of the record, after every pass.
func (r *Reader) Starts() iter.Seq2[*Starts, error] { return scan[Starts](r, "start") }

// Fits holds observed values and what is predicted of them.
type Fits struct {
	Trial     []int32   `column:"trial"`
	Replicate []int32   `column:"replicate"`
	Filter    []string  `column:"filter"`
	Cycle     []int32   `column:"cycle"`
	Time      []float64 `column:"time"`
	Stage     []string  `column:"stage"`
	Variable  []string  `column:"variable"`
	Index     []int32   `column:"index"`
	Value     []float64 `column:"value"`
	Error     []float64 `column:"error"`
	Mean      []float64 `column:"mean"`
	Spread    []float64 `column:"spread"`
	Q05       []float64 `column:"q05"`
	Q25       []float64 `column:"q25"`
	Q50       []float64 `column:"q50"`
	Q75       []float64 `column:"q75"`
	Q95       []float64 `column:"q95"`
}

// Fits yields the observed values of records and what prior and posterior predict of them.
func (r *Reader) Fits() iter.Seq2[*Fits, error] { return scan[Fits](r, "fit") }
