/* The XML writer, loaded when a report in XML is asked for. Without it xmlBufferCreate() gives NULL, which is no memory to its callers. */
#include <libxml/xmlwriter.h>
#include <stdarg.h>
#include <stddef.h>

#include "late.h"

#define LATE(...) LATE_FROM(LIBXML_SONAME, __VA_ARGS__)
#define LATE_NOTHING(...) LATE_NOTHING_FROM(LIBXML_SONAME, __VA_ARGS__)

LATE(xmlBufferPtr, xmlBufferCreate, (void), (), NULL)
LATE(const xmlChar *, xmlBufferContent, (const xmlBuffer *buffer), (buffer), NULL)
LATE(int, xmlBufferLength, (const xmlBuffer *buffer), (buffer), 0)
LATE_NOTHING(xmlBufferFree, (xmlBufferPtr buffer), (buffer))
LATE(xmlTextWriterPtr, xmlNewTextWriterMemory, (xmlBufferPtr buffer, int compression), (buffer, compression), NULL)
LATE_NOTHING(xmlFreeTextWriter, (xmlTextWriterPtr writer), (writer))
LATE(int, xmlTextWriterStartDocument, (xmlTextWriterPtr writer, const char *version, const char *encoding, const char *standalone),
     (writer, version, encoding, standalone), -1)
LATE(int, xmlTextWriterEndDocument, (xmlTextWriterPtr writer), (writer), -1)
LATE(int, xmlTextWriterStartElement, (xmlTextWriterPtr writer, const xmlChar *name), (writer, name), -1)
LATE(int, xmlTextWriterEndElement, (xmlTextWriterPtr writer), (writer), -1)
LATE(int, xmlTextWriterFullEndElement, (xmlTextWriterPtr writer), (writer), -1)
LATE(int, xmlTextWriterSetIndent, (xmlTextWriterPtr writer, int indent), (writer, indent), -1)
LATE(int, xmlTextWriterSetIndentString, (xmlTextWriterPtr writer, const xmlChar *text), (writer, text), -1)
LATE(int, xmlTextWriterWriteAttribute, (xmlTextWriterPtr writer, const xmlChar *name, const xmlChar *content), (writer, name, content), -1)
LATE(int, xmlTextWriterWriteCDATA, (xmlTextWriterPtr writer, const xmlChar *content), (writer, content), -1)
LATE(int, xmlTextWriterWriteElement, (xmlTextWriterPtr writer, const xmlChar *name, const xmlChar *content), (writer, name, content), -1)
LATE(int, xmlTextWriterWriteRaw, (xmlTextWriterPtr writer, const xmlChar *content), (writer, content), -1)
LATE(int, xmlTextWriterWriteString, (xmlTextWriterPtr writer, const xmlChar *content), (writer, content), -1)
LATE(int, xmlTextWriterWriteVFormatElement, (xmlTextWriterPtr writer, const xmlChar *name, const char *format, va_list arguments),
     (writer, name, format, arguments), -1)

int xmlTextWriterWriteFormatElement(xmlTextWriterPtr writer, const xmlChar *name, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int result = xmlTextWriterWriteVFormatElement(writer, name, format, arguments);
    va_end(arguments);
    return result;
}
