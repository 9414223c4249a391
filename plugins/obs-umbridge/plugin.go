// Package obsumbridge makes the model of an UM-Bridge server an observation
// operator plugin of plume.
package obsumbridge

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
)

//go:embed plugin.toml
var manifest string

// Plugin returns the plugin.
func Plugin() (*sdk.Plugin, error) { return sdk.OperatorPlugin(manifest, newOperator) }
