// Package idle imports another plugin, which a plugin may not.
package idle

import _ "github.com/plume-da/plume/plugins/model-greedy"
