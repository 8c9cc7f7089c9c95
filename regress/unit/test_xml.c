/* SPDX-License-Identifier: ISC */
/*
 * lib/xml*.c: each file of regress/xml is parsed and must be accepted or
 * refused with the reason that regress/xml/EXPECT gives; then the accessors
 * and writers.
 */
#include "compat.h"

#include <err.h>
#include <libgen.h>
#include <stdio.h>
#include <time.h>

#include <libxml/parser.h>

#include "tap.h"
#include "wsemail.h"
#include "xml.h"

static const struct xml_limits limits = {
	.bytes = 65536, .depth = 32, .nodes = 2000, .attributes = 16,
	.namespaces = 32, .ids = 16
};

static void	 test_fixtures(const char *);
static void	 test_fixture(const char *, const char *, const char *);
static size_t	 read_file(const char *, char *, size_t);
static xmlDocPtr parse(const char *);
static void	 test_find(void);
static void	 test_text(void);
static void	 test_c14n(void);
static void	 test_c14n_part(void);
static double	 c14n_cost(xmlNodePtr, size_t *);
static void	 test_writers(void);
static void	 test_base64(void);
static void	 test_valid(void);
static void	 test_hostile_attributes(void);
static void	 test_large_text(void);

static size_t
read_file(const char *path, char *buf, size_t size)
{
	size_t	 n;
	FILE	*f;

	if ((f = fopen(path, "r")) == NULL)
		err(1, "%s", path);
	n = fread(buf, 1, size, f);
	fclose(f);
	return n;
}

static xmlDocPtr
parse(const char *text)
{
	const char	*why;
	xmlDocPtr	 doc;

	if ((doc = xml_parse(text, strlen(text), &limits, &why)) == NULL)
		errx(1, "%s: %s", text, why);
	return doc;
}

static void
test_fixture(const char *dir, const char *name, const char *want)
{
	static char	 buf[262144];
	const char	*why = NULL;
	char		 path[2048], *copy;
	xmlDocPtr	 doc;
	size_t		 n;

	snprintf(path, sizeof(path), "%s/%s.xml", dir, name);
	n = read_file(path, buf, sizeof(buf));
	/* Of exactly its size, so that a sanitizer sees any look behind it. */
	if ((copy = malloc(n + (n == 0))) == NULL)
		err(1, NULL);
	memcpy(copy, buf, n);
	doc = xml_parse(copy, n, &limits, &why);
	is_str(doc != NULL ? "accepted" : why, want, name);
	xmlFreeDoc(doc);
	free(copy);
}

static void
test_fixtures(const char *dir)
{
	char	 path[2048], line[256], *want;
	FILE	*f;

	snprintf(path, sizeof(path), "%s/EXPECT", dir);
	if ((f = fopen(path, "r")) == NULL)
		err(1, "%s", path);
	while (fgets(line, sizeof(line), f) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		want = line + strcspn(line, " ");
		if (line[0] == '#' || *want == '\0')
			continue;
		*want++ = '\0';
		test_fixture(dir, line, want);
	}
	fclose(f);
}

static void
test_find(void)
{
	xmlDocPtr	 doc;
	xmlNodePtr	 root, n;
	char		*s;
	int		 count;

	doc = parse("<a xmlns='urn:x' xmlns:u='" NS_WSU "'> <b k='v' u:k='w'/>"
	    "<!-- c --><b/><c xmlns='' u:Id='i'/></a>");
	root = xmlDocGetRootElement(doc);
	ok(xml_is(root, "urn:x", "a"), "name and namespace");
	ok(!xml_is(root, NULL, "a") && !xml_is(root, "urn:y", "a"),
	    "another namespace is another name");
	n = xml_child_count(root, "urn:x", "b", &count);
	is_int(count, 2, "two children of a name");
	ok(n == xml_first(root), "the first of them");
	ok(xml_child(root, "urn:x", "c") == NULL, "none in that namespace");
	ok(xml_child(root, NULL, "c") != NULL, "no namespace");
	ok(xml_byid(doc, "i") == xml_child(root, NULL, "c"), "by its Id");
	ok(xml_byid(doc, "j") == NULL, "no such Id");
	is_str(s = xml_attr(n, NULL, "k"), "v", "attribute without prefix");
	free(s);
	is_str(s = xml_attr(n, NS_WSU, "k"), "w", "attribute with one");
	free(s);
	ok(xml_attr(n, NULL, "Id") == NULL, "no such attribute");
	xmlFreeDoc(doc);
}

static void
test_text(void)
{
	static const struct {
		const char	*xml, *text;
	} t[] = {
		{ "<a>x &lt; <![CDATA[<y>]]> z</a>",	"x < <y> z" },
		{ "<a/>",				"" },
		{ "<a> x\n</a>",			" x\n" },
		{ "<a>x&#xD;&#xA;y\r\nz</a>",		"x\r\ny\nz" },
		{ "<a>admin<!-- -->@evil</a>",		NULL },
		{ "<a><!-- -->x</a>",			NULL },
		{ "<a>x<b/></a>",			NULL },
	};
	xmlDocPtr	 doc;
	char		*s;
	size_t		 i;

	for (i = 0; i < nitems(t); i++) {
		doc = parse(t[i].xml);
		s = xml_text(xmlDocGetRootElement(doc), 100);
		if (t[i].text == NULL)
			ok(s == NULL, t[i].xml);
		else
			is_str(s, t[i].text, t[i].xml);
		free(s);
		xmlFreeDoc(doc);
	}
	doc = parse("<a>123456</a>");
	s = xml_text(xmlDocGetRootElement(doc), 6);
	is_str(s, "123456", "as long as allowed");
	free(s);
	ok(xml_text(xmlDocGetRootElement(doc), 5) == NULL, "over the limit");
	xmlFreeDoc(doc);
}

/* The examples of Exclusive XML Canonicalization 1.0, section 2.2, in small. */
static void
test_c14n(void)
{
	static char	*prefixes[] = { "n1", NULL };
	struct wbuf	 w = { 0 };
	xmlDocPtr	 doc;
	xmlNodePtr	 n;

	doc = parse("<n0:pdu xmlns:n0='urn:a' xmlns:n1='urn:b' xml:lang='fr'>"
	    "<n1:e b='2' a=\"1&#9;\" >  <x/><!-- c --><![CDATA[<]]>&#13;"
	    "</n1:e></n0:pdu>");
	n = xml_first(xmlDocGetRootElement(doc));
	is_int(xml_c14n(n, &w), 0, "exclusive canonical form of a subtree");
	wbuf_raw(&w, "", 1);
	is_str((char *)w.data, "<n1:e xmlns:n1=\"urn:b\" a=\"1&#x9;\" b=\"2\">"
	    "  <x></x>&lt;&#xD;</n1:e>", "its octets");
	wbuf_free(&w);
	n = xml_first(n);
	is_int(xml_c14n_prefixes(n, prefixes, &w), 0, "with a PrefixList");
	wbuf_raw(&w, "", 1);
	is_str((char *)w.data, "<x xmlns:n1=\"urn:b\"></x>",
	    "a prefix of the list is kept");
	wbuf_free(&w);
	xmlFreeDoc(doc);
}

static double
c14n_cost(xmlNodePtr n, size_t *len)
{
	static char	*prefixes[] = { "p", "q", "r", "s", "t", "u", NULL };
	struct wbuf	 w = { 0 };
	clock_t		 start = clock();

	if (xml_c14n_prefixes(n, prefixes, &w) == -1)
		errx(1, "no canonical form");
	*len = w.len;
	wbuf_free(&w);
	return (double)(clock() - start);
}

/* A part costs what it holds, whatever stands beside it. */
static void
test_c14n_part(void)
{
	const struct xml_limits	 large = { SIZE_MAX, 64, 400000, 64, 256, 256 };
	struct wbuf		 w = { 0 }, c = { 0 };
	const char		*why;
	xmlNodePtr		 root, part;
	xmlDocPtr		 doc;
	double			 all, one;
	size_t			 len, i;

	wbuf_puts(&w, "<a xmlns:p=\"urn:p\"><b>1</b><c></c>");
	for (i = 0; i < 200000; i++)
		wbuf_puts(&w, "<d></d>");
	wbuf_puts(&w, "<e>2</e></a>");
	if ((doc = xml_parse(w.data, w.len, &large, &why)) == NULL)
		errx(1, "%s", why);
	root = xmlDocGetRootElement(doc);
	part = xml_next(xml_first(root));
	one = c14n_cost(part, &len);
	is_int((long long)len, (long long)strlen("<c xmlns:p=\"urn:p\"></c>"),
	    "a part with many beside it");
	all = c14n_cost(root, &len);
	ok(one * 20 < all, "is not paid for with those");
	ok(xml_c14n(root, &c) == 0 && c.len == w.len - strlen(
	    " xmlns:p=\"urn:p\"") && memcmp(c.data + c.len - 12,
	    "<e>2</e></a>", 12) == 0, "and all are there again afterwards");
	wbuf_free(&w);
	wbuf_free(&c);
	xmlFreeDoc(doc);
}

/* What the writers write is its own canonical form. */
static void
test_writers(void)
{
	static const char	 nasty[] = "\t\r\n\"'<>&]]> \xf0\x9f\x93\xa7 ";
	struct wbuf		 w = { 0 }, c = { 0 };
	xmlDocPtr		 doc;
	const char		*why;
	char			*s;

	wbuf_puts(&w, "<a b=\"");
	xml_put_attr(&w, nasty);
	wbuf_puts(&w, "\">");
	xml_put_elem(&w, "c", nasty);
	xml_put_elem(&w, "d", NULL);
	xml_put_elem(&w, "e", "");
	wbuf_puts(&w, "</a>");
	doc = xml_parse(w.data, w.len, &limits, &why);
	ok(doc != NULL, "written text parses");
	is_int(xml_c14n(xmlDocGetRootElement(doc), &c), 0, "canonical form");
	ok(c.len == w.len && memcmp(c.data, w.data, c.len) == 0,
	    "it is the same");
	s = xml_text(xml_first(xmlDocGetRootElement(doc)), 100);
	is_str(s, nasty, "text comes back octet for octet");
	free(s);
	s = xml_attr(xmlDocGetRootElement(doc), NULL, "b");
	is_str(s, nasty, "so does an attribute");
	free(s);
	wbuf_free(&w);
	wbuf_free(&c);
	xmlFreeDoc(doc);
}

static void
test_base64(void)
{
	static const char	*bad[] = { "A", "AA", "AAA", "A===", "=AAA",
				    "AA=A", "AAA=A", "AAAA=", "AB==", "AAB=",
				    "AA==AAAA", "AAA!", "AA-_", "A\xc3\xa9==",
				    "====" };
	uint8_t			 octets[256], *p;
	struct wbuf		 w = { 0 };
	size_t			 i, len;
	int			 good = 1;

	for (i = 0; i < sizeof(octets); i++)
		octets[i] = (uint8_t)(i * 37);
	for (i = 0; i <= sizeof(octets); i++) {
		xml_put_base64(&w, octets, i);
		wbuf_raw(&w, "", 1);
		p = xml_base64((char *)w.data, &len);
		good = good && p != NULL && len == i &&
		    memcmp(p, octets, i) == 0;
		free(p);
		wbuf_free(&w);
	}
	ok(good, "base64 of every length comes back");
	p = xml_base64(" Zm 9v\nYg =\t= ", &len);
	ok(p != NULL && len == 4 && memcmp(p, "foob", 4) == 0,
	    "white space between");
	free(p);
	for (i = 0; i < nitems(bad); i++)
		ok((p = xml_base64(bad[i], &len)) == NULL, bad[i]);
}

static void
test_valid(void)
{
	static const struct {
		const char	*s;
		int		 valid;
	} t[] = {
		{ "plain\t\r\n", 1 }, { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x93\xa7", 1 },
		{ "\x01", 0 }, { "\x1f", 0 }, { "\x7f", 1 }, { "\x80", 0 },
		{ "\xc0\xaf", 0 }, { "\xc1\xbf", 0 }, { "\xe0\x80\xaf", 0 },
		{ "\xf0\x80\x80\xaf", 0 }, { "\xed\xa0\x80", 0 },
		{ "\xed\x9f\xbf", 1 }, { "\xee\x80\x80", 1 },
		{ "\xef\xbf\xbd", 1 }, { "\xef\xbf\xbe", 0 },
		{ "\xef\xbf\xbf", 0 }, { "\xf4\x8f\xbf\xbf", 1 },
		{ "\xf4\x90\x80\x80", 0 }, { "\xf5\x80\x80\x80", 0 },
		{ "\xe2\x82", 0 }, { "\xff", 0 },
	};
	char	 name[64];
	size_t	 i;

	for (i = 0; i < nitems(t); i++) {
		snprintf(name, sizeof(name), "characters, row %zu", i);
		is_int(xml_valid_text(t[i].s, strlen(t[i].s)), t[i].valid,
		    name);
	}
	is_int(xml_valid_text("a\0b", 3), 0, "a NUL is no character");
}

/* libxml2 alone would compare a million names with each other. */
static void
test_hostile_attributes(void)
{
	const struct xml_limits	 large = { SIZE_MAX, 64, 200000, 64, 256, 256 };
	struct wbuf		 w = { 0 };
	const char		*why;
	int			 i;

	wbuf_puts(&w, "<a");
	for (i = 0; i < 1000000; i++)
		wbuf_puts(&w, i % 2 ? " a=\"\"" : " b=''");
	wbuf_puts(&w, "/>");
	ok(xml_parse(w.data, w.len, &large, &why) == NULL, "a million attributes");
	is_str(why, "too many attributes (limit xml-attributes)", "are counted, not compared");
	wbuf_free(&w);
}

static void
test_large_text(void)
{
	const struct xml_limits	 large = { 64000000, 64, 200000, 64, 256, 256 };
	static char		 chunk[1000000];
	struct wbuf		 w = { 0 }, c = { 0 };
	const char		*why = NULL;
	xmlDocPtr		 doc;
	int			 i;

	memset(chunk, 'x', sizeof(chunk));
	wbuf_puts(&w, "<a>");
	for (i = 0; i < 20; i++)
		wbuf_raw(&w, chunk, sizeof(chunk));
	wbuf_puts(&w, "</a>");
	doc = xml_parse(w.data, w.len, &large, &why);
	ok(doc != NULL, "20 MB of text, when the limit allows it");
	ok(doc != NULL && xml_c14n(xmlDocGetRootElement(doc), &c) == 0 &&
	    c.len == w.len && memcmp(c.data, w.data, c.len) == 0,
	    "canonical as it stands");
	xmlFreeDoc(doc);
	wbuf_free(&w);
	wbuf_free(&c);
}

int
main(int argc, char **argv)
{
	char	 dir[1024], self[1024];

	is_int(xml_init(), 0, "xml_init");
	strlcpy(self, argv[0], sizeof(self));
	snprintf(dir, sizeof(dir), "%s/../xml", dirname(self));
	test_fixtures(argc > 1 ? argv[1] : dir);
	test_find();
	test_text();
	test_c14n();
	test_c14n_part();
	test_writers();
	test_base64();
	test_valid();
	test_hostile_attributes();
	test_large_text();
	xmlCleanupParser();
	return done_testing();
}
