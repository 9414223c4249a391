// Command filter-enkf serves the plugin filter-enkf to plume.
package main

import (
	"github.com/plume-da/plume/plugins/filter-enkf"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(filterenkf.Plugin()) }
