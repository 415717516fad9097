package charttest

import (
	"maps"
	"os"
	"path"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	"sigs.k8s.io/yaml"
)

const chartDir = "../../deploy/helm/usher"

// valuesFile reads a file of values.
func valuesFile(t *testing.T, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return values(t, string(text))
}

func values(t *testing.T, text string) map[string]any {
	t.Helper()
	v := map[string]any{}
	if err := yaml.UnmarshalStrict([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// render is helm template: the notes, and the objects by template, without empty ones.
func render(t *testing.T, v map[string]any) (notes string, objects map[string]string, err error) {
	t.Helper()
	chart, err := loader.LoadDir(chartDir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := util.ToRenderValues(chart, v, common.ReleaseOptions{Name: "usher", Namespace: "nats", Revision: 1, IsInstall: true}, common.DefaultCapabilities)
	if err != nil {
		return "", nil, err
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		return "", nil, err
	}
	objects = map[string]string{}
	for name, text := range files {
		switch base := path.Base(name); {
		case base == "NOTES.txt":
			notes = text
		case strings.HasSuffix(base, ".yaml") && strings.TrimSpace(text) != "":
			objects[base] = strings.TrimSpace(text) + "\n"
		}
	}
	return notes, objects, nil
}

// whole prints all objects in the order of their templates, as helm template does.
func whole(notes string, objects map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(objects)) {
		b.WriteString("---\n# " + name + "\n" + objects[name])
	}
	b.WriteString("---\n# NOTES.txt\n")
	for line := range strings.Lines(strings.TrimSpace(notes)) {
		b.WriteString("# " + line)
	}
	return b.String() + "\n"
}

// helm lint has no findings above "info", for the chart's own values and for each file of values.
func TestLint(t *testing.T) {
	for _, file := range files(t) {
		for _, m := range lint.RunAll(chartDir, valuesFile(t, file), "nats").Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %v", file, m)
			}
		}
	}
}
