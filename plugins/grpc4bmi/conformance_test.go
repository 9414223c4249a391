package grpc4bmi

import (
	"testing"

	"github.com/plume-da/plume/sdk/plugintest"
)

// The suite of all plugins, with grpc4bmi's own server.
func TestConformance(t *testing.T) {
	for name, params := range map[string]params{
		"servers":  {"command": servers(t, "Plate"), "parameters": []string{"tau = 5"}, "time_unit": "h"},
		"outputs":  {"command": servers(t, "Plate"), "outputs": []string{"below"}, "time_unit": "h"},
		"somebody": {"addresses": []string{running(t, "Plate")}, "time_unit": "h"},
	} {
		t.Run(name, func(t *testing.T) {
			plugin, err := Plugin()
			if err != nil {
				t.Fatal(err)
			}
			plugin.Manifest.Example.Params = params
			plugin.Manifest.Example.State = []float64{1, 2, 3, 4, 5, 6}
			if err := plugintest.Check(plugin, nil); err != nil {
				t.Error(err)
			}
		})
	}
}
