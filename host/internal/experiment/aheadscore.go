package experiment

import (
	"math"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/host/internal/score"
	"github.com/plume-da/plume/sdk"
)

// lead is a lead time of a variable of free forecasts.
type lead struct {
	of, variable string
	time         float64
}

// verified is a value that was forecast.
type verified struct {
	issued, index             int
	value, mean, spread, rank float64
	crps, persistence         float64 // NaN: not known
	climatology               struct{ mean, crps float64 }
}

// leads returns the lead times of all variables, in the order of the tables of scores.
func leads(p *plan.Plan) (list []lead) {
	add := func(of string, l *sdk.Layout) {
		for _, v := range l.Variables {
			for n := range p.Ahead.Leads {
				list = append(list, lead{of, v.Name, float64(n+1) * p.Ahead.Step})
			}
		}
	}
	add(archive.State, p.State)
	add(archive.Observed, p.Space.Layout)
	return list
}

// scoreAhead scores the free forecasts of a trial that has ended, from what it has written:
// scores are then the same whenever values that verify forecasts have arrived.
func (e *engine) scoreAhead(j *job) error {
	if j.plan.Ahead == nil {
		return nil
	}
	reader, id := e.run.Written(j.trial.Number), e.idOf(j)
	values, err := readVerified(reader)
	if err != nil {
		return err
	}
	var scores []archive.ForecastScore
	for _, at := range leads(j.plan) {
		if list := values[at]; len(list) > 0 {
			scores = append(scores, scoresOf(at, list)...)
		}
	}
	if err := e.run.ForecastScores(id, scores); err != nil || len(j.plan.Ahead.Exceed) == 0 {
		return err
	}
	probabilities, err := readExceedances(reader)
	if err != nil {
		return err
	}
	var rows []archive.ReliabilityRow
	for _, at := range leads(j.plan) {
		for _, t := range j.plan.Ahead.Exceed {
			if t.Variable == at.variable {
				rows = append(rows, reliability(at, t.Above, values[at], probabilities)...)
			}
		}
	}
	return e.run.Reliability(id, rows)
}

// readVerified returns the values that were forecast, by lead time and in order of time.
func readVerified(reader *archive.Reader) (map[lead][]verified, error) {
	values := map[lead][]verified{}
	for b, err := range reader.Verification() {
		if err != nil {
			return nil, err
		}
		for i := range b.Cycle {
			v := verified{issued: int(b.Issued[i]), index: int(b.Index[i]), value: b.Value[i], mean: b.Mean[i], spread: b.Spread[i], rank: b.Rank[i], crps: math.NaN(), persistence: math.NaN()}
			if b.CRPSFair.Valid[i] {
				v.crps = b.CRPSFair.Values[i]
			}
			if b.Persistence.Valid[i] {
				v.persistence = b.Persistence.Values[i]
			}
			at := lead{b.Of[i], b.Variable[i], b.Lead[i]}
			values[at] = append(values[at], v)
		}
	}
	return values, nil
}

// scoresOf returns the scores of a lead time. Values of one forecast are averaged first, so that
// the standard errors are those of a series in time.
func scoresOf(at lead, list []verified) []archive.ForecastScore {
	addClimatology(list)
	of := func(get func(v verified) float64) []float64 { return byForecast(list, get) }
	root := func(get func(v verified) float64) score.Mean {
		series := of(func(v verified) float64 { d := get(v); return d * d })
		for i, v := range series {
			series[i] = math.Sqrt(v)
		}
		return score.RootTimeMean(series)
	}
	within := func(level float64) func(v verified) float64 {
		return func(v verified) float64 {
			if math.Abs(v.rank-0.5) <= level/2 {
				return 1
			}
			return 0
		}
	}
	var scores []archive.ForecastScore
	add := func(metric string, m score.Mean) {
		if m.Count > 0 {
			scores = append(scores, archive.ForecastScore{Lead: at.time, Of: at.of, Variable: at.variable, Metric: metric, Value: m.Value, SE: m.SE, Count: m.Count})
		}
	}
	add("rmse", root(func(v verified) float64 { return v.mean - v.value }))
	add("bias", score.TimeMean(of(func(v verified) float64 { return v.mean - v.value })))
	add("spread", root(func(v verified) float64 { return v.spread }))
	add("crps_fair", score.TimeMean(of(func(v verified) float64 { return v.crps })))
	add("coverage_50", score.TimeMean(of(within(0.5))))
	add("coverage_90", score.TimeMean(of(within(0.9))))
	add("persistence_rmse", root(func(v verified) float64 { return v.persistence - v.value }))
	add("persistence_crps", score.TimeMean(of(func(v verified) float64 { return math.Abs(v.persistence - v.value) }))) // that of a forecast without spread
	add("climatology_rmse", root(func(v verified) float64 { return v.climatology.mean - v.value }))
	add("climatology_crps", score.TimeMean(of(func(v verified) float64 { return v.climatology.crps })))
	return scores
}

// addClimatology sets the forecasts of all values by those of the same index at all times. There is
// none, NaN, of a value that there is one time of.
func addClimatology(list []verified) {
	byIndex := map[int][]int{}
	for i, v := range list {
		byIndex[v.index] = append(byIndex[v.index], i)
	}
	for _, same := range byIndex {
		values := make([]float64, len(same))
		for k, i := range same {
			values[k] = list[i].value
		}
		mean, crps := score.IndependentMean(values).Value, score.ClimatologyCRPS(values)
		if len(same) == 1 {
			mean, crps[0] = math.NaN(), math.NaN()
		}
		for k, i := range same {
			list[i].climatology.mean, list[i].climatology.crps = mean, crps[k]
		}
	}
}

// byForecast returns the means of a number over the values of each forecast, without values of
// which it is NaN.
func byForecast(list []verified, get func(v verified) float64) (series []float64) {
	for from := 0; from < len(list); {
		to, sum, n := from, 0.0, 0
		for ; to < len(list) && list[to].issued == list[from].issued; to++ {
			if x := get(list[to]); !math.IsNaN(x) {
				sum, n = sum+x, n+1
			}
		}
		if n > 0 {
			series = append(series, sum/float64(n))
		}
		from = to
	}
	return series
}

// exceeding identifies the probability of one value.
type exceeding struct {
	lead
	issued, index int
	above         float64
}

func readExceedances(reader *archive.Reader) (map[exceeding]float64, error) {
	probabilities := map[exceeding]float64{}
	for b, err := range reader.Exceedances() {
		if err != nil {
			return nil, err
		}
		for i := range b.Cycle {
			probabilities[exceeding{lead{b.Of[i], b.Variable[i], b.Lead[i]}, int(b.Cycle[i]), int(b.Index[i]), b.Above[i]}] = b.Probability[i]
		}
	}
	return probabilities, nil
}

// tenths is the number of bins of probabilities.
const tenths = 10

// reliability compares the probabilities of exceeding a threshold with what happened: all of
// them, and those of each tenth that has any.
func reliability(at lead, above float64, list []verified, probabilities map[exceeding]float64) []archive.ReliabilityRow {
	rows := make([]archive.ReliabilityRow, tenths+1)
	for _, v := range list {
		p, known := probabilities[exceeding{at, v.issued, v.index, above}]
		if !known {
			continue
		}
		happened := 0.0
		if v.value > above {
			happened = 1
		}
		for _, bin := range []int{0, 1 + min(tenths-1, int(p*tenths))} {
			r := &rows[bin]
			r.Count, r.Probability, r.Frequency, r.Brier = r.Count+1, r.Probability+p, r.Frequency+happened, r.Brier+(p-happened)*(p-happened)
		}
	}
	var filled []archive.ReliabilityRow
	for bin, r := range rows {
		if n := float64(r.Count); n > 0 {
			filled = append(filled, archive.ReliabilityRow{Lead: at.time, Of: at.of, Variable: at.variable, Above: above, Bin: bin - 1,
				Probability: r.Probability / n, Frequency: r.Frequency / n, Brier: r.Brier / n, Count: r.Count})
		}
	}
	return filled
}
