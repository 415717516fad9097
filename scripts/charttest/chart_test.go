package charttest

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"usher/app/config"
)

var update = flag.Bool("update", false, "write the golden files")

// files are the files of values that are tried.
func files(t *testing.T) []string {
	t.Helper()
	own, err := filepath.Glob("testdata/*.values.yaml")
	if err != nil || len(own) < 3 {
		t.Fatalf("%v: %v", own, err)
	}
	return append(own, "../../examples/kubernetes/values.yaml")
}

// types are the types of the Kubernetes API of what the chart makes.
var types = map[string]func() any{
	"ClusterRoleBinding":  func() any { return &rbacv1.ClusterRoleBinding{} },
	"ConfigMap":           func() any { return &corev1.ConfigMap{} },
	"Deployment":          func() any { return &appsv1.Deployment{} },
	"Job":                 func() any { return &batchv1.Job{} },
	"NetworkPolicy":       func() any { return &networkingv1.NetworkPolicy{} },
	"PodDisruptionBudget": func() any { return &policyv1.PodDisruptionBudget{} },
	"Role":                func() any { return &rbacv1.Role{} },
	"RoleBinding":         func() any { return &rbacv1.RoleBinding{} },
	"Service":             func() any { return &corev1.Service{} },
	"ServiceAccount":      func() any { return &corev1.ServiceAccount{} },
	"PodMonitor":          func() any { return &monitor{} },
	"ServiceMonitor":      func() any { return &monitor{} },
	"PrometheusRule":      func() any { return &ruleObject{} },
}

// monitor has the fields of monitoring.coreos.com/v1 that the chart uses.
type monitor struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Selector            metav1.LabelSelector `json:"selector"`
		Endpoints           []endpoint           `json:"endpoints"`
		PodMetricsEndpoints []endpoint           `json:"podMetricsEndpoints"`
	} `json:"spec"`
}

type endpoint struct {
	Port     string `json:"port"`
	Path     string `json:"path"`
	Interval string `json:"interval"`
}

type ruleObject struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
	Spec              struct {
		Groups []struct {
			Name     string `json:"name"`
			Interval string `json:"interval"`
			Rules    []struct {
				Alert         string            `json:"alert"`
				Record        string            `json:"record"`
				Expr          string            `json:"expr"`
				For           string            `json:"for"`
				KeepFiringFor string            `json:"keep_firing_for"`
				Labels        map[string]string `json:"labels"`
				Annotations   map[string]string `json:"annotations"`
			} `json:"rules"`
		} `json:"groups"`
	} `json:"spec"`
}

// object decodes an object strictly: a field that its type does not have is an error.
func object(t *testing.T, name, text string) any {
	t.Helper()
	var meta metav1.TypeMeta
	if err := yaml.Unmarshal([]byte(text), &meta); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, text)
	}
	if types[meta.Kind] == nil {
		t.Fatalf("%s: a %q is none of the objects of the chart", name, meta.Kind)
	}
	o := types[meta.Kind]()
	if err := yaml.UnmarshalStrict([]byte(text), o); err != nil {
		t.Errorf("%s: %v\n%s", name, err, text)
	}
	return o
}

// Each file of values gives objects that Kubernetes knows, an usher.yaml that usher loads, and
// what the golden file beside it has.
func TestTemplates(t *testing.T) {
	for _, file := range files(t) {
		t.Run(filepath.Base(filepath.Dir(file))+"/"+filepath.Base(file), func(t *testing.T) {
			notes, objects, err := render(t, valuesFile(t, file))
			if err != nil {
				t.Fatal(err)
			}
			for name, text := range objects {
				switch o := object(t, name, text).(type) {
				case *corev1.ConfigMap:
					load(t, o.Data["usher.yaml"])
				case *appsv1.Deployment:
					checkPod(t, name, &o.Spec.Template)
				case *batchv1.Job:
					checkPod(t, name, &o.Spec.Template)
				}
			}
			checkGolden(t, file, whole(notes, objects))
		})
	}
}

func load(t *testing.T, text string) *config.Config {
	t.Helper()
	if text == "" {
		t.Fatal("no usher.yaml")
	}
	cfg, err := config.Parse("/etc/usher/usher.yaml", []byte(text))
	if err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	return cfg
}

// checkPod checks what every pod promises: no root, nothing to write but volumes, and every
// mount has its volume.
func checkPod(t *testing.T, name string, pod *corev1.PodTemplateSpec) {
	t.Helper()
	if s := pod.Spec.SecurityContext; s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot {
		t.Errorf("%s: may run as root", name)
	}
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = true
	}
	for _, c := range append(pod.Spec.InitContainers, pod.Spec.Containers...) {
		s := c.SecurityContext
		if s == nil || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.Capabilities == nil || len(s.Capabilities.Drop) != 1 {
			t.Errorf("%s: container %s can do too much: %+v", name, c.Name, s)
		}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("%s: container %s mounts %s, which is no volume", name, c.Name, m.Name)
			}
		}
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				t.Errorf("%s: container %s has a secret in its environment", name, c.Name)
			}
		}
	}
}

func checkGolden(t *testing.T, file, got string) {
	t.Helper()
	golden := filepath.Join("testdata", strings.TrimSuffix(filepath.Base(file), ".values.yaml")+".golden.yaml")
	if strings.Contains(file, "examples") {
		golden = "testdata/example.golden.yaml"
	}
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("not as in %s (go test -update writes it):\n%s", golden, difference(string(want), got))
	}
}

// difference returns the first lines that differ.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return "- " + w[i] + "\n+ " + g[i]
		}
	}
	return "one ends before the other"
}

// The client of the example is made of objects that Kubernetes knows, and its token is for the
// audience that usher wants.
func TestClient(t *testing.T) {
	text, err := os.ReadFile("../../examples/kubernetes/client.yaml")
	if err != nil {
		t.Fatal(err)
	}
	account, rest, _ := strings.Cut(string(text), "\n---\n")
	object(t, "client.yaml", account)
	var pod corev1.Pod
	if err := yaml.UnmarshalStrict([]byte(rest), &pod); err != nil {
		t.Fatal(err)
	}
	_, objects, err := render(t, valuesFile(t, "../../examples/kubernetes/values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := load(t, object(t, "configmap", objects["configmap.yaml"]).(*corev1.ConfigMap).Data["usher.yaml"])
	wants := cfg.Credentials.Kubernetes[0].Audiences
	if token := pod.Spec.Volumes[0].Projected.Sources[0].ServiceAccountToken; len(wants) != 1 || token.Audience != wants[0] {
		t.Errorf("a token for %q, and usher wants %q", token.Audience, wants)
	}
}

// The rules of the chart are those of deploy/prometheus.
func TestRules(t *testing.T) {
	own, err := os.ReadFile(chartDir + "/files/usher.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	rules, err := os.ReadFile("../../deploy/prometheus/usher.rules.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(own, rules) {
		t.Error("deploy/helm/usher/files/usher.rules.yaml is not deploy/prometheus/usher.rules.yaml: copy it")
	}
}
