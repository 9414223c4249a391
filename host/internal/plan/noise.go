package plan

import (
	"context"
	"math"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// noisy is a model of any plugin with independent normal noise added to its forecasts.
// Streams: branch "noise" of a request's seed, by member.
type noisy struct {
	sdk.Model
	sd      []workflow.Numbers // of the variables of the state
	perTime bool               // sd is that of the noise over a unit of model time, not over a forecast
}

// Forecast implements sdk.Model. A forecast of length 0 has no noise.
func (m *noisy) Forecast(ctx context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	res, err := m.Model.Forecast(ctx, r)
	if err != nil || r.From == r.To {
		return res, err
	}
	failed := map[int]bool{}
	for _, f := range res.Failures {
		failed[f.Member] = true
	}
	scale := 1.0
	if m.perTime {
		scale = math.Sqrt(r.To - r.From)
	}
	seed, variables := r.Seed.Child("noise", 0), m.Layout().Variables
	for i := range r.Into.RawMatrix().Rows {
		if failed[i] {
			continue
		}
		row, stream := r.Into.RawRowView(i), seed.Member(r.First+i)
		for v, variable := range variables {
			for j := range variable.Size() {
				if sd := m.sd[v].At(j); sd > 0 {
					row[j] += scale * sd * stream.NormFloat64()
				}
			}
			row = row[variable.Size():]
		}
	}
	return res, nil
}

// withNoise returns model with the noise that the workflow has at path, if any.
func (m *maker) withNoise(model sdk.Model, n *workflow.Noise, path ...any) sdk.Model {
	if n == nil {
		return model
	}
	given, key := n.SD, "sd"
	if given.IsZero() {
		given, key = n.Variance, "variance"
	}
	noise := &noisy{Model: model, perTime: n.Per == "sqrt_time", sd: m.broadcast(given, model.Layout(), 0, below(path, "noise", key)...)}
	if key == "variance" {
		for i, variances := range noise.sd {
			noise.sd[i] = make(workflow.Numbers, len(variances))
			for j, v := range variances {
				noise.sd[i][j] = math.Sqrt(v)
			}
		}
	}
	return noise
}
