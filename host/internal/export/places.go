package export

import (
	"slices"

	"github.com/plume-da/plume/host/internal/archive"
)

// axis is the positions of the values of a variable on an axis.
type axis struct {
	name   string
	period float64 // 0: none
	at     []float64
}

// located identifies a variable that has positions.
type located struct {
	truth        int
	of, variable string
}

// places are the positions of all variables of a run that have any.
type places map[located][]axis

// placesOf reads the positions of a run.
func placesOf(r *archive.Reader) (places, error) {
	found := places{}
	for p, err := range r.Positions() {
		if err != nil {
			return nil, err
		}
		for i, name := range p.Axis {
			k := located{int(p.Truth[i]), p.Of[i], p.Variable[i]}
			at := slices.IndexFunc(found[k], func(a axis) bool { return a.name == name })
			if at < 0 {
				at, found[k] = len(found[k]), append(found[k], axis{name: name, period: p.Period[i]})
			}
			found[k][at].at = append(found[k][at].at, p.Position[i])
		}
	}
	return found, nil
}

// of returns the axes of a variable of a truth, or of the only truth if truth is -1.
func (p places) of(truth int, of, variable string) []axis {
	for k := range p {
		if truth < 0 && k.truth > 0 {
			return nil
		}
	}
	return p[located{max(truth, 0), of, variable}]
}
