// Package nosy imports a plugin, which the SDK may not.
package nosy

import _ "github.com/plume-da/plume/plugins/model-greedy/weights"
