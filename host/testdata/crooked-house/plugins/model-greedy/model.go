// Package greedy imports the host, which a plugin may not.
package greedy

import _ "github.com/plume-da/plume/host/internal/plan"
