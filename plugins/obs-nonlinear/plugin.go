// Package obsnonlinear observes states through a function of each value, as a
// plume plugin.
package obsnonlinear

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
)

//go:embed plugin.toml
var manifest string

// Plugin returns the plugin.
func Plugin() (*sdk.Plugin, error) { return sdk.OperatorPlugin(manifest, newOperator) }
