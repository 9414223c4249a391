package filterpf

import (
	"testing"

	"github.com/plume-da/plume/sdk"
	"github.com/plume-da/plume/sdk/plugintest"
)

func TestConformance(t *testing.T) {
	if err := plugintest.Check(sdk.FilterPlugin(manifest, newFilter)); err != nil {
		t.Fatal(err)
	}
}
