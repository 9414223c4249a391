// Package lorenz96tracer is Lorenz-96 with a tracer that it carries, as a plume plugin.
package lorenz96tracer

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
)

//go:embed plugin.toml
var manifest string

// Plugin returns the plugin.
func Plugin() (*sdk.Plugin, error) { return sdk.ModelPlugin(manifest, newModel) }
