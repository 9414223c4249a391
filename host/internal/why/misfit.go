package why

import (
	"math"
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
	"github.com/plume-da/plume/host/internal/score"
)

// misfit is how the last run over a whole record fits the observations: the mean square of the
// residuals in units of the error variance, and the number of observed values.
type misfit struct {
	square float64
	values int
}

// misfits returns those of the trials over whole records.
func misfits(reader *archive.Reader) (map[int]misfit, error) {
	last := map[int]misfit{}
	for p, err := range reader.Passes() {
		if err != nil {
			return nil, err
		}
		for i, trial := range p.Trial { // in the order of the passes
			if p.Misfit.Valid[i] {
				last[int(trial)] = misfit{p.Misfit.Values[i], int(p.Values[i])}
			}
		}
	}
	return last, nil
}

// fits says whether the posteriors of whole records fit the observations. The innovations of such
// a trial are those of its prior, which was never corrected, so they say nothing else. The mean of
// n squares of errors has a standard deviation of sqrt(2/n).
func (j *judge) fits() {
	var squares []float64
	sd := 0.0
	for _, m := range j.misfits {
		squares = append(squares, m.square)
		sd = max(sd, math.Sqrt(2/float64(m.values)))
	}
	mean := score.IndependentMean(squares)
	j.add("misfit", mean, "mean square of observation minus prediction of the posterior, in units of the error variance; 1 is expected")
	switch worst := slices.Max(squares); {
	case worst > max(1.5, 1+5*sd):
		j.say(Unfit, "the posterior does not fit the observations: the misfit is %.3g, expected is 1", worst)
		j.Brief, j.weight = j.Text, math.Log(worst)
		j.try("more members, or a wider prior in ensemble.init: it has to contain what fits")
		j.try("a shorter record, or window = \"auto\" with the parameters in the state, if the model is chaotic")
		j.try("another model, or a larger observation error, if these do not help")
		j.doubt("do not believe the spread of such a posterior")
	case mean.Value < min(0.6, 1-5*sd):
		j.say(ErrorLarge, "the posterior fits the observations more closely than their error: the misfit is %.3g, expected is 1", mean.Value)
		j.Brief, j.weight = j.Text, -math.Log(mean.Value)
		j.try("a smaller observation error, or fewer unknowns")
	}
}
