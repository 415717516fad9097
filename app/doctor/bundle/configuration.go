package bundle

import (
	"fmt"
	"strings"

	"usher/app/config"
)

// Configuration returns the configuration with its defaults, one key a line. It holds no
// secrets but for what stands in the arguments of programs, which are left out.
func Configuration(cfg *config.Config) (string, error) {
	shown := *cfg
	if command := shown.Operator.SigningCommand; len(command) > 0 {
		shown.Operator.SigningCommand = []string{command[0], fmt.Sprintf("(%d arguments)", len(command)-1)}
	}
	texts, err := shown.Texts()
	if err != nil {
		return "", err
	}
	present := map[string]bool{}
	for key := range texts {
		present[key] = true
	}
	var b strings.Builder
	for _, key := range config.KeysInOrder(present) {
		fmt.Fprintf(&b, "%s: %s\n", key, texts[key])
	}
	return b.String(), nil
}
