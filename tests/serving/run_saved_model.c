/* Runs requests on a SavedModel through TensorFlow's C API alone.
 *
 *   run_saved_model EXPORT LIBRARY... < requests
 *
 * A request, one item a line:
 *   input OPERATION INDEX string|float RANK SIZE...   then one value a line
 *   output OPERATION INDEX                            (in the order they are printed)
 *   run
 * Strings are written in hexadecimal with a leading x. The answer has, for each output,
 * a line "tensor TYPE RANK SIZE..." and then one value a line. A request that
 * TensorFlow refuses prints "error CODE MESSAGE" and is no failure of the program.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tensorflow/c/c_api.h"

#define MOST 8
static char line[1 << 20];

static void die(const char *what, const char *why) {
  fprintf(stderr, "%s: %s\n", what, why);
  exit(1);
}

static void check(TF_Status *status, const char *what) {
  if (TF_GetCode(status) != TF_OK) die(what, TF_Message(status));
}

static TF_Output find(TF_Graph *graph, const char *name, int index) {
  TF_Output found = {TF_GraphOperationByName(graph, name), index};
  if (found.oper == NULL) die("no operation", name);
  return found;
}

static const char *next_line(void) {
  if (fgets(line, sizeof line, stdin) == NULL) die("request", "ends too soon");
  line[strcspn(line, "\n")] = 0;
  return line;
}

static TF_Tensor *read_tensor(const char *type, const char *shape) {
  int64_t sizes[MOST], count = 1;
  char *rest;
  int rank = (int)strtol(shape, &rest, 10);
  if (rank > MOST) die("rank", "too large");
  for (int i = 0; i < rank; i++) count *= sizes[i] = strtoll(rest, &rest, 10);
  int is_string = strcmp(type, "string") == 0;
  size_t bytes = count * (is_string ? sizeof(TF_TString) : sizeof(float));
  TF_Tensor *tensor =
      TF_AllocateTensor(is_string ? TF_STRING : TF_FLOAT, sizes, rank, bytes);
  for (int64_t i = 0; i < count; i++) {
    const char *text = next_line();
    if (!is_string) {
      ((float *)TF_TensorData(tensor))[i] = strtof(text, NULL);
      continue;
    }
    size_t length = (strlen(text) - 1) / 2;
    char *decoded = malloc(length + 1);
    for (size_t j = 0; j < length; j++) {
      unsigned int byte;
      if (sscanf(text + 1 + 2 * j, "%2x", &byte) != 1) die("hexadecimal", text);
      decoded[j] = (char)byte;
    }
    TF_TString *target = (TF_TString *)TF_TensorData(tensor) + i;
    TF_StringInit(target);
    TF_StringCopy(target, decoded, length);
    free(decoded);
  }
  return tensor;
}

static void print_tensor(TF_Tensor *tensor) {
  TF_DataType type = TF_TensorType(tensor);
  int64_t count = TF_TensorElementCount(tensor);
  void *data = TF_TensorData(tensor);
  printf("tensor %s %d", type == TF_STRING ? "string" : type == TF_BOOL ? "bool" : "float",
         TF_NumDims(tensor));
  for (int i = 0; i < TF_NumDims(tensor); i++)
    printf(" %lld", (long long)TF_Dim(tensor, i));
  printf("\n");
  for (int64_t i = 0; i < count; i++) {
    if (type == TF_STRING) {
      TF_TString *string = (TF_TString *)data + i;
      const unsigned char *bytes = (const unsigned char *)TF_StringGetDataPointer(string);
      printf("x");
      for (size_t j = 0; j < TF_StringGetSize(string); j++) printf("%02x", bytes[j]);
      printf("\n");
    } else if (type == TF_BOOL) {
      printf("%d\n", ((unsigned char *)data)[i] != 0);
    } else if (type == TF_INT32) {
      printf("%d\n", ((int32_t *)data)[i]);
    } else if (type == TF_FLOAT) {
      printf("%.9g\n", ((float *)data)[i]);
    } else {
      die("output", "is neither string, bool, int32 nor float");
    }
  }
}

int main(int argc, char **argv) {
  if (argc < 2) die("usage", "run_saved_model EXPORT LIBRARY...");
  TF_Status *status = TF_NewStatus();
  for (int i = 2; i < argc; i++) {
    TF_LoadLibrary(argv[i], status);
    check(status, argv[i]);
  }
  TF_Graph *graph = TF_NewGraph();
  TF_SessionOptions *options = TF_NewSessionOptions();
  const char *tags[] = {"serve"};
  TF_Session *session = TF_LoadSessionFromSavedModel(options, NULL, argv[1], tags, 1,
                                                     graph, NULL, status);
  check(status, "loading");
  TF_Output inputs[MOST], outputs[MOST];
  TF_Tensor *fed[MOST], *fetched[MOST] = {NULL};
  int in = 0, out = 0;
  while (fgets(line, sizeof line, stdin) != NULL) {
    char kind[16], name[512], type[16], shape[128] = "";
    int index;
    if (strcmp(line, "run\n") == 0) {
      TF_SessionRun(session, NULL, inputs, fed, in, outputs, fetched, out, NULL, 0, NULL,
                    status);
      if (TF_GetCode(status) != TF_OK) {
        char message[4096];
        snprintf(message, sizeof message, "%s", TF_Message(status));
        for (char *c = message; *c; c++)
          if (*c == '\n') *c = ' ';
        printf("error %d %s\n", TF_GetCode(status), message);
      } else {
        for (int i = 0; i < out; i++) {
          print_tensor(fetched[i]);
          TF_DeleteTensor(fetched[i]);
        }
      }
      for (int i = 0; i < in; i++) TF_DeleteTensor(fed[i]);
      in = out = 0;
      continue;
    }
    if (sscanf(line, "%15s %511s %d %15s %127[^\n]", kind, name, &index, type, shape) < 3)
      die("request", line);
    if (in == MOST || out == MOST) die("request", "has too many tensors");
    if (strcmp(kind, "input") == 0) {
      inputs[in] = find(graph, name, index);
      fed[in++] = read_tensor(type, shape);
    } else {
      outputs[out++] = find(graph, name, index);
    }
  }
  return 0;
}
