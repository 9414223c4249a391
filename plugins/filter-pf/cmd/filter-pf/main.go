// Command filter-pf serves the plugin filter-pf to plume.
package main

import (
	"github.com/plume-da/plume/plugins/filter-pf"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(filterpf.Plugin()) }
