// Package kuramotosivashinsky is the Kuramoto-Sivashinsky equation as a plume plugin.
package kuramotosivashinsky

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
)

//go:embed plugin.toml
var manifest string

// Plugin returns the plugin.
func Plugin() (*sdk.Plugin, error) { return sdk.ModelPlugin(manifest, newModel) }
