// Package workflows holds the experiments that plume bench runs.
package workflows

import "embed"

// Files are the workflows of this folder.
//
//go:embed *.toml
var Files embed.FS
