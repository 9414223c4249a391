// Command grpc4bmi serves the plugin grpc4bmi to plume.
package main

import (
	"github.com/plume-da/plume/plugins/grpc4bmi"
	"github.com/plume-da/plume/sdk/serve"
)

func main() { serve.Main(grpc4bmi.Plugin()) }
