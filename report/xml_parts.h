/* Text for XML documents. */
#ifndef MIDDEN_REPORT_XML_PARTS_H
#define MIDDEN_REPORT_XML_PARTS_H

/* Text as an XML file may hold it (what it may not becomes \xNN); not escaped, owned by the caller. NULL: no memory. */
char *xml_clean(const char *text);

#endif
