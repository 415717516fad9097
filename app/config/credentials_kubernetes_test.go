package config_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"usher/app/config"
)

// The examples of docs/how-to/kubernetes.md are valid.
func TestKubernetesPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/how-to/kubernetes.md")
	if err != nil {
		t.Fatal(err)
	}
	modes := map[string]bool{}
	for _, block := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllSubmatch(page, -1) {
		if strings.HasPrefix(string(block[1]), "apiVersion:") {
			continue // for Kubernetes
		}
		cfg, err := config.Parse("usher.yaml", append([]byte(base), block[1]...))
		if err != nil {
			t.Errorf("%v\n%s", err, block[1])
			continue
		}
		for i := range cfg.Credentials.Kubernetes {
			modes[cfg.Credentials.Kubernetes[i].Mode] = true
		}
	}
	if !modes[config.KubernetesJWKS] || !modes[config.KubernetesTokenReview] {
		t.Errorf("examples of %v only", modes)
	}
}
