package main

import (
	"archive/tar"
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

const imageUser = 65532 // "nonroot" of distroless images

// programsIn finds the programs of the image by architecture in the folder of goreleaser.
func programsIn(dist string) (map[string]string, error) {
	programs := map[string]string{}
	for _, arch := range []string{"amd64", "arm64"} {
		found, err := filepath.Glob(filepath.Join(dist, "usher_linux_"+arch+"*", "usher"))
		if err != nil {
			return nil, err
		}
		if len(found) != 1 {
			return nil, fmt.Errorf("%s: found %q for linux/%s", dist, found, arch)
		}
		programs[arch] = found[0]
	}
	return programs, nil
}

// entry is a file or folder of an image.
type entry struct {
	path string // a folder ends in /
	mode int64
	user int
	text []byte
}

// layer packs entries. All have the time zero, and no name of a user of this machine.
func layer(entries []entry) (v1.Layer, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range entries {
		h := &tar.Header{Name: e.path, Mode: e.mode, Uid: e.user, Gid: e.user, Size: int64(len(e.text)), Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}
		if e.path[len(e.path)-1] == '/' {
			h.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(e.text); err != nil {
			return nil, err
		}
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil },
		tarball.WithMediaType(types.OCILayer))
}

// base is everything but usher: no shell, no libraries.
func base() []entry {
	var roots bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil { // a file of PEM cannot say what others are limited to
			_ = pem.Encode(&roots, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // a Buffer does not fail
		}
	}
	return []entry{
		{path: "etc/", mode: 0o755},
		{path: "etc/group", mode: 0o644, text: []byte("root:x:0:\nusher:x:65532:\n")},
		{path: "etc/passwd", mode: 0o644, text: []byte("root:x:0:0:root:/:/sbin/nologin\nusher:x:65532:65532:usher:/var/lib/usher:/sbin/nologin\n")},
		{path: "etc/ssl/", mode: 0o755},
		{path: "etc/ssl/certs/", mode: 0o755},
		{path: "etc/ssl/certs/ca-certificates.crt", mode: 0o644, text: roots.Bytes()},
		{path: "etc/usher/", mode: 0o755},
		{path: "tmp/", mode: 0o1777},
		{path: "usr/", mode: 0o755},
		{path: "usr/bin/", mode: 0o755},
		{path: "var/", mode: 0o755},
		{path: "var/lib/", mode: 0o755},
		{path: "var/lib/usher/", mode: 0o700, user: imageUser},
	}
}

func (r *Release) image(arch, program string, common v1.Layer) (v1.Image, error) {
	text, err := os.ReadFile(program)
	if err != nil {
		return nil, err
	}
	own, err := layer([]entry{{path: "usr/bin/usher", mode: 0o755, text: text}})
	if err != nil {
		return nil, err
	}
	img, err := mutate.AppendLayers(mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON), common, own)
	if err != nil {
		return nil, err
	}
	return mutate.ConfigFile(img, r.imageConfig(img, arch))
}

func (r *Release) imageConfig(img v1.Image, arch string) *v1.ConfigFile {
	file, _ := img.ConfigFile() // of an image that was just made
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = "linux", arch, v1.Time{Time: r.Date}
	for i := range file.History {
		file.History[i].Created = v1.Time{Time: r.Date}
	}
	file.Config = v1.Config{
		User: fmt.Sprintf("%d:%d", imageUser, imageUser), Entrypoint: []string{"/usr/bin/usher"}, Cmd: []string{"serve", "-c", "/etc/usher/usher.yaml"},
		Env: []string{"PATH=/usr/bin", "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt"}, WorkingDir: "/", StopSignal: "SIGTERM",
		Labels: map[string]string{
			"org.opencontainers.image.title": "usher", "org.opencontainers.image.description": "Auth callout service for NATS",
			"org.opencontainers.image.version": r.Version, "org.opencontainers.image.revision": r.Revision,
			"org.opencontainers.image.created": r.Date.Format(time.RFC3339), "org.opencontainers.image.licenses": "Apache-2.0",
		},
	}
	return file
}

// writeImage writes an image for all architectures as an OCI layout in a tar file.
func writeImage(r *Release, programs map[string]string, to string) error {
	common, err := layer(base())
	if err != nil {
		return err
	}
	index := mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	var archs []string
	for arch := range programs {
		archs = append(archs, arch)
	}
	slices.Sort(archs)
	for _, arch := range archs {
		img, err := r.image(arch, programs[arch], common)
		if err != nil {
			return err
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}})
	}
	dir, err := os.MkdirTemp("", "image-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // a temporary folder
	path, err := layout.Write(dir, empty.Index)
	if err != nil {
		return err
	}
	if err := path.AppendIndex(index, layout.WithAnnotations(map[string]string{"org.opencontainers.image.ref.name": r.Version, "io.containerd.image.name": "usher:" + r.Version})); err != nil {
		return err
	}
	return pack(dir, to)
}

// pack writes the files of a folder to a tar file, in the order of their names.
func pack(dir, to string) error {
	f, err := os.Create(to)
	if err != nil {
		return err
	}
	w := tar.NewWriter(f)
	err = fs.WalkDir(os.DirFS(dir), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg, ModTime: time.Unix(0, 0)}); err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	})
	if err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return f.Close()
}
