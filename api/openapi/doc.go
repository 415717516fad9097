// Package openapi describes a table of routes as an OpenAPI 3.0 document. The schemas are
// made from the types of package wire by reflection.
package openapi
