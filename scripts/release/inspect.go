package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
	"github.com/sassoftware/go-rpmutils"
)

// installed are the files that both packages have, with their modes.
var installed = map[string]string{
	"/usr/bin/usher": "-rwxr-xr-x", "/etc/usher": "drwxr-x---", "/usr/lib/systemd/system/usher.service": "-rw-r--r--",
	"/usr/lib/systemd/system/usher@.service": "-rw-r--r--", "/usr/lib/systemd/system/usher-push.service": "-rw-r--r--",
	"/usr/lib/systemd/system/usher-push@.service": "-rw-r--r--", "/usr/lib/sysusers.d/usher.conf": "-rw-r--r--",
	"/usr/lib/tmpfiles.d/usher.conf": "-rw-r--r--", "/usr/share/bash-completion/completions/usher": "-rw-r--r--",
	"/usr/share/doc/usher/systemd.md": "-rw-r--r--",
}

func (a *artifacts) inspectPackages(r *Release) error {
	info, err := output("dpkg-deb", "-I", a.path(".deb"))
	if err != nil {
		return err
	}
	for _, want := range []string{" Package: usher\n", " Architecture: amd64\n", " Version: " + strings.Replace(r.Version, "-", "~", 1) + "\n", " postinst ", " prerm ", " postrm "} {
		if !strings.Contains(info, want) {
			return fmt.Errorf("dpkg-deb -I: no %q in\n%s", want, info)
		}
	}
	list, err := output("dpkg-deb", "-c", a.path(".deb"))
	if err != nil {
		return err
	}
	found := 0
	for line := range strings.Lines(list) { // -rwxr-xr-x root/root 1 2026-11-30 21:00 ./usr/bin/usher
		fields := strings.Fields(line)
		name := strings.TrimSuffix(strings.TrimPrefix(fields[len(fields)-1], "."), "/")
		if mode, ok := installed[name]; ok {
			if found++; mode != fields[0] || fields[1] != "root/root" {
				return fmt.Errorf("deb: %s is %s of %s, not %s of root", name, fields[0], fields[1], mode)
			}
		}
	}
	if found != len(installed) {
		return fmt.Errorf("deb: has %d of %d files:\n%s", found, len(installed), list)
	}
	if err := a.inspectRPM(); err != nil {
		return err
	}
	fmt.Printf("  deb and rpm: %d files as expected\n", found)
	return nil
}

func (a *artifacts) inspectRPM() error {
	f, err := os.Open(a.path(".rpm"))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // read only
	rpm, err := rpmutils.ReadRpm(f)
	if err != nil {
		return err
	}
	files, err := rpm.Header.GetFiles()
	if err != nil {
		return err
	}
	found := 0
	for _, file := range files {
		if mode, ok := installed[file.Name()]; ok {
			found++
			if got := os.FileMode(file.Mode() & 0o777); !strings.HasSuffix(mode, got.String()[1:]) || file.UserName() != "root" {
				return fmt.Errorf("rpm: %s is %s of %s, not %s of root", file.Name(), got, file.UserName(), mode)
			}
		}
	}
	if found != len(installed) {
		return fmt.Errorf("rpm: has %d of %d files", found, len(installed))
	}
	return nil
}

// inspectImage reads the image as a container engine would, and runs its program.
func (a *artifacts) inspectImage(r *Release, dir string) error {
	unpacked := filepath.Join(dir, "image")
	if err := os.Mkdir(unpacked, 0o755); err != nil {
		return err
	}
	if _, err := output("tar", "-xf", a.path(".tar"), "-C", unpacked); err != nil {
		return err
	}
	top, err := layout.ImageIndexFromPath(unpacked)
	if err != nil {
		return err
	}
	if err := validate.Index(top); err != nil {
		return err
	}
	outer, err := top.IndexManifest()
	if err != nil {
		return err
	}
	index, err := top.ImageIndex(outer.Manifests[0].Digest)
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	img, err := index.Image(manifest.Manifests[0].Digest)
	if err != nil {
		return err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return err
	}
	if c := file.Config; c.User != "65532:65532" || len(c.Entrypoint) != 1 || c.Entrypoint[0] != "/usr/bin/usher" || c.Labels["org.opencontainers.image.version"] != r.Version ||
		c.Labels["org.opencontainers.image.revision"] != r.Revision {
		return fmt.Errorf("image: its configuration is %+v", c)
	}
	program := filepath.Join(dir, "usher-of-the-image")
	names, err := extract(img, "usr/bin/usher", program)
	if err != nil {
		return err
	}
	for _, name := range []string{"etc/passwd", "etc/ssl/certs/ca-certificates.crt", "tmp/"} {
		if !strings.Contains(names, "\n"+name+"\n") {
			return fmt.Errorf("image: no %s in%s", name, names)
		}
	}
	said, err := output(program, "version")
	if err != nil {
		return err
	}
	if !strings.HasPrefix(said, "usher "+r.Version+" ") {
		return fmt.Errorf("image: usher version says %s, want %s", said, r.Version)
	}
	fmt.Printf("  usher version of the image: %s", said)
	return nil
}

// extract writes one file of an image, and returns the names of all.
func extract(img v1.Image, name, to string) (string, error) {
	layers, err := img.Layers()
	if err != nil {
		return "", err
	}
	names, found := "\n", false
	for _, l := range layers {
		in, err := l.Uncompressed()
		if err != nil {
			return "", err
		}
		for t := tar.NewReader(in); ; {
			h, err := t.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return "", err
			}
			names += h.Name + "\n"
			if h.Name != name {
				continue
			}
			text, err := io.ReadAll(t)
			if err != nil {
				return "", err
			}
			if err := os.WriteFile(to, text, 0o755); err != nil {
				return "", err
			}
			found = true
		}
		if err := in.Close(); err != nil {
			return "", err
		}
	}
	if !found {
		return "", fmt.Errorf("image: no %s in%s", name, names)
	}
	return names, nil
}
