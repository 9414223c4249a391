package umbridge

import (
	"testing"

	"github.com/plume-da/plume/plugins/internal/umbridge/umbridgetest"
	"github.com/plume-da/plume/sdk/plugintest"
)

// The suite of all plugins, with the official server and with one that is told all
// there is to tell.
func TestConformance(t *testing.T) {
	for name, given := range map[string]func(t *testing.T) params{
		"python": func(t *testing.T) params {
			return params{"url": umbridgetest.Python(t), "model": "lorenz63", "inputs": []string{"state", "interval"}}
		},
		"go": func(t *testing.T) params {
			return params{"url": drift.Serve(t), "model": "m", "parallel": 3, "variables": []string{"x", "y", "z"}, "config": `{"from": {{.from}}}`,
				"inputs": []string{"z, x", "seed, y, 0.5"}, "outputs": []string{"y, skip", "x, z"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			plugin, err := Plugin()
			if err != nil {
				t.Fatal(err)
			}
			plugin.Manifest.Example.Params = given(t)
			if err := plugintest.Check(plugin, nil); err != nil {
				t.Error(err)
			}
		})
	}
}

// drift answers something that depends on all it is told.
var drift = umbridgetest.Model{Inputs: []int{2, 3}, Outputs: []int{3, 2}, Evaluate: func(in [][]float64, config map[string]any) [][]float64 {
	return [][]float64{{in[1][0] * 0x1p-53, 8, 9}, {in[0][0] * in[1][2], in[0][1] + in[1][1] + config["from"].(float64)}}
}}
