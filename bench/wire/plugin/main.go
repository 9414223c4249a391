// Command plugin is the model x -> x + 1 as a plume plugin: what a call to it
// takes is what the way to a plugin and back takes.
package main

import (
	"context"
	_ "embed"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/serve"
)

//go:embed plugin.toml
var manifest string

func main() { serve.Main(sdk.ModelPlugin(manifest, newModel)) }

type model struct {
	N int `param:"n"`
}

func newModel(c sdk.ModelConfig) (sdk.Model, error) {
	m := &model{}
	c.Params.Decode(m)
	return m, nil
}

// Layout implements sdk.Model.
func (m *model) Layout() *sdk.Layout {
	return &sdk.Layout{Variables: []sdk.Variable{{Name: "x", Shape: []int{m.N}, Dims: []string{"site"}, Unit: "1"}}}
}

// Forecast implements sdk.Model.
func (m *model) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	for i := range r.Into.RawMatrix().Rows {
		into := r.Into.RawRowView(i)
		for j, x := range r.Ensemble.RawRowView(i) {
			into[j] = x + 1
		}
	}
	return &sdk.ForecastResult{}, nil
}
