package obsumbridge

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
			return params{"url": umbridgetest.Python(t), "model": "arctan", "config": `{"values": 6, "scale": 0.5}`}
		},
		"go": func(t *testing.T) params {
			return params{"url": products.Serve(t), "model": "m", "parallel": 3, "inputs": []string{"time, state", "x, 2"},
				"outputs": []string{"a", "skip", "b"}, "positions": []float64{0.5, 1, 1.5}, "config": `{"time": {{.time}}}`}
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
