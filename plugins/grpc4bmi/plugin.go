// Package grpc4bmi makes a model with a Basic Model Interface, in any language, behind a server of
// grpc4bmi, a model plugin of plume.
package grpc4bmi

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
)

//go:embed plugin.toml
var manifest string

// Plugin returns the plugin.
func Plugin() (*sdk.Plugin, error) { return sdk.ModelPlugin(manifest, newModel) }
