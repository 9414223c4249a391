// Command plugin is the model x -> x + 1 as a plume plugin: what a call to it
// takes is what the way to a plugin and back takes.
package main

import (
	"context"
	_ "embed"
	"runtime"
	"sync"

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

// Forecast implements sdk.Model. It uses all cores, as models do.
func (m *model) Forecast(_ context.Context, r *sdk.ForecastRequest) (*sdk.ForecastResult, error) {
	x, y := r.Ensemble.RawMatrix().Data, r.Into.RawMatrix().Data
	part := len(x)/runtime.GOMAXPROCS(0) + 1
	var all sync.WaitGroup
	for from := 0; from < len(x); from += part {
		all.Go(func() {
			for i := from; i < min(from+part, len(x)); i++ {
				y[i] = x[i] + 1
			}
		})
	}
	all.Wait()
	return &sdk.ForecastResult{}, nil
}
