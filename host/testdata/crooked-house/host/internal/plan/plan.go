// Package plan imports a part of the SDK that plans have no use for.
package plan

import _ "github.com/plume-da/plume/sdk/nosy"
