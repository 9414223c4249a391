// Package cycle reads files.
package cycle

import _ "os"
