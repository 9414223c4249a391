// Package filterdiffusion is a filter plugin: it draws the analysis by taking the
// noise away from a latent with a score known in closed form.
package filterdiffusion

import (
	_ "embed"

	"github.com/plume-da/plume/sdk"
)

//go:embed plugin.toml
var manifest string

// Plugin returns the plugin.
func Plugin() (*sdk.Plugin, error) { return sdk.FilterPlugin(manifest, newFilter) }
