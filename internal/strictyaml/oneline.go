package strictyaml

import (
	"bytes"
	"errors"
	"strings"

	"go.yaml.in/yaml/v4"
)

// OneLine returns a value as YAML on one line.
func OneLine(value any) (string, error) {
	var node yaml.Node
	if err := node.Encode(value); err != nil {
		return "", err
	}
	flow(&node)
	var b bytes.Buffer
	enc := yaml.NewEncoder(&b)
	if err := errors.Join(enc.Encode(&node), enc.Close()); err != nil {
		return "", err
	}
	return strings.Join(strings.Fields(b.String()), " "), nil
}

// flow sets the style of a node and of all in it.
func flow(node *yaml.Node) {
	node.Style |= yaml.FlowStyle
	for _, n := range node.Content {
		flow(n)
	}
}
