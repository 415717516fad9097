package strictyaml

import (
	"strings"

	"go.yaml.in/yaml/v4"
)

// Block returns YAML on one line as what follows the key of a mapping. A list of mappings
// becomes a block of lines that begin with indent; anything else stays on the line.
func Block(text, indent string) string {
	var n yaml.Node
	if err := yaml.Unmarshal([]byte(text), &n); err != nil || len(n.Content) != 1 || n.Content[0].Kind != yaml.SequenceNode {
		return " " + text
	}
	list := n.Content[0]
	if len(list.Content) == 0 || list.Content[0].Kind != yaml.MappingNode {
		return " " + text
	}
	openFlow(list)
	var b strings.Builder
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	if err := e.Encode(list); err != nil {
		return " " + text
	}
	var lines strings.Builder
	for line := range strings.Lines(b.String()) {
		lines.WriteString("\n" + indent + strings.TrimSuffix(line, "\n"))
	}
	return lines.String()
}

// openFlow lets mappings, and lists of them, be written as blocks. Lists of single values stay
// on one line, and texts lose quotes that they do not need.
func openFlow(n *yaml.Node) {
	n.Style &^= yaml.FlowStyle | yaml.DoubleQuotedStyle | yaml.SingleQuotedStyle
	if n.Kind == yaml.SequenceNode && len(n.Content) > 0 && n.Content[0].Kind == yaml.ScalarNode {
		n.Style |= yaml.FlowStyle
	}
	for _, c := range n.Content {
		openFlow(c)
	}
}
