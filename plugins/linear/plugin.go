// Package linear is a model of linear dynamics as a plume plugin.
package linear

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
)

//go:embed plugin.toml
var manifest string

// Plugin returns the plugin.
func Plugin() (*sdk.Plugin, error) { return sdk.ModelPlugin(manifest, newModel) }
