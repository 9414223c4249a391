// Package shallowwater is the shallow-water equations on a doubly periodic plane as a plume plugin.
package shallowwater

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
)

//go:embed plugin.toml
var manifest string

// Plugin returns the plugin.
func Plugin() (*sdk.Plugin, error) { return sdk.ModelPlugin(manifest, newModel) }
