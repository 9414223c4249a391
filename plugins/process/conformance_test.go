package process

import (
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/plugintest"
)

func TestConformance(t *testing.T) {
	if err := plugintest.Check(sdk.ModelPlugin(manifest, newModel)); err != nil {
		t.Fatal(err)
	}
}
