// Package filterenkf is the ensemble Kalman filter as a plume plugin.
package filterenkf

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
)

//go:embed plugin.toml
var manifest string

// Plugin returns the plugin.
func Plugin() (*sdk.Plugin, error) { return sdk.FilterPlugin(manifest, newFilter) }
